//! What a text states of a script: every slot of a script, each of which may be empty.
//!
//! A caption carries the slots that it states, grounding reads them off a text, and sampling fills the empty ones.

use serde::Serialize;

use crate::script::{Member, Script};
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Kind, Lane, Light, Material, Place, Relation, Size, Subject, Term, Top,
    Weather,
};

/// The stated part of a script of one shot; `None` and empty lists state nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartialScript {
    /// Members of the cast, the main subject first.
    pub cast: Vec<PartialMember>,
    /// Where.
    pub place: Option<Place>,
    /// Light.
    pub light: Option<Light>,
    /// Weather.
    pub weather: Option<Weather>,
    /// State of the ground.
    pub ground: Option<Ground>,
    /// Movement of the camera.
    pub camera: Option<CameraMove>,
    /// How much of the frame the main subject takes.
    pub framing: Option<Framing>,
    /// Height of the camera.
    pub angle: Option<Angle>,
    /// Who passes by in the background, if it is not people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crowd: Option<Crowd>,
    /// How many pass by in the background.
    pub extras: Option<u32>,
    /// Subjects that must not appear.
    pub excluded: Vec<Subject>,
}

/// The stated part of a cast member and of its role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartialMember {
    /// What it is.
    pub subject: Option<Subject>,
    /// Its kind, when the text says only that much ("a person").
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "kind_name")]
    pub kind: Option<Kind>,
    /// Main colour, if it is not said of a garment.
    pub colour: Option<Colour>,
    /// Upper garment and its colour.
    pub top: Option<(Top, Option<Colour>)>,
    /// Lower garment or dress, and its colour.
    pub bottom: Option<(Bottom, Option<Colour>)>,
    /// Footwear and its colour.
    pub footwear: Option<(Footwear, Option<Colour>)>,
    /// Hair colour.
    pub hair: Option<Hair>,
    /// Worn or carried items and their colours, in the order of the table.
    pub items: Vec<(Item, Option<Colour>)>,
    /// Items that are stated not to be worn, in the order of the table.
    pub without: Vec<Item>,
    /// Surface.
    pub material: Option<Material>,
    /// Size.
    pub size: Option<Size>,
    /// What it does.
    pub action: Option<Action>,
    /// Face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<Expression>,
    /// Relation to the main subject; that of the main subject is to the second member.
    pub relation: Option<Relation>,
    /// Direction in which it faces and moves.
    pub facing: Option<Facing>,
    /// Third of the frame in which it is.
    pub lane: Option<Lane>,
}

impl PartialMember {
    /// Whether anything is stated that only people have.
    pub fn is_clothed(&self) -> bool {
        self.top.is_some()
            || self.bottom.is_some()
            || self.footwear.is_some()
            || self.hair.is_some()
            || !self.items.is_empty()
            || !self.without.is_empty()
    }

    /// The looks of a member, all of them stated.
    pub(crate) fn looking_like(member: &Member) -> Self {
        let outfit = member.outfit.as_ref();
        let items: Vec<(Item, Option<Colour>)> = outfit.map_or_else(Vec::new, |outfit| {
            outfit.items.iter().map(|&(item, colour)| (item, Some(colour))).collect()
        });
        let without =
            Item::ALL.iter().copied().filter(|item| items.iter().all(|(worn, _)| worn != item));
        Self {
            subject: Some(member.subject),
            colour: outfit.is_none().then_some(member.colour),
            top: outfit.and_then(|outfit| outfit.top).map(|(top, colour)| (top, Some(colour))),
            bottom: outfit.map(|outfit| (outfit.bottom.0, Some(outfit.bottom.1))),
            footwear: outfit.map(|outfit| (outfit.footwear.0, Some(outfit.footwear.1))),
            hair: outfit.map(|outfit| outfit.hair),
            without: if outfit.is_some() { without.collect() } else { Vec::new() },
            items,
            material: Some(member.material),
            size: Some(member.size),
            ..Self::default()
        }
    }

    /// What it does, with the looks of another.
    pub(crate) fn with_looks(&self, looks: &Self) -> Self {
        let Self { action, expression, relation, facing, lane, .. } = *self;
        Self { action, expression, relation, facing, lane, ..looks.clone() }
    }

    /// Takes over the looks that `said` states beyond its own; false if some contradict it, which are left.
    pub(crate) fn learn(&mut self, said: &Self) -> bool {
        fn slot<T: Copy + PartialEq>(known: &mut Option<T>, said: Option<T>) -> bool {
            *known = known.or(said);
            said.is_none() || *known == said
        }
        fn garment<T: Copy + PartialEq>(
            known: &mut Option<(T, Option<Colour>)>,
            said: Option<(T, Option<Colour>)>,
        ) -> bool {
            match (known, said) {
                (Some((worn, colour)), Some((garment, of))) if *worn == garment => slot(colour, of),
                (known, said) => slot(known, said),
            }
        }
        let kinds = [&*self, said].map(|member| member.subject.map(Subject::kind).or(member.kind));
        let mut agrees = kinds.contains(&None) || kinds[0] == kinds[1];
        if self.subject.or(said.subject).is_none() {
            self.kind = self.kind.or(said.kind);
        }
        agrees &= slot(&mut self.subject, said.subject)
            & slot(&mut self.colour, said.colour)
            & garment(&mut self.top, said.top)
            & garment(&mut self.bottom, said.bottom)
            & garment(&mut self.footwear, said.footwear)
            & slot(&mut self.hair, said.hair)
            & slot(&mut self.material, said.material)
            & slot(&mut self.size, said.size);
        for &(item, colour) in &said.items {
            match self.items.iter_mut().find(|(worn, _)| *worn == item) {
                Some((_, worn)) => agrees &= slot(worn, colour),
                None if self.without.contains(&item) => agrees = false,
                None => self.items.push((item, colour)),
            }
        }
        for &item in &said.without {
            match self.items.iter().any(|(worn, _)| *worn == item) {
                true => agrees = false,
                false if self.without.contains(&item) => {}
                false => self.without.push(item),
            }
        }
        self.items.sort_unstable();
        self.without.sort_unstable();
        agrees
    }
}

impl PartialScript {
    /// The first stated slot that the first shot of `script` contradicts, by name; nothing if it agrees with all.
    pub fn contradiction(&self, script: &Script) -> Option<String> {
        fn differs<T: PartialEq>(stated: Option<T>, found: T) -> bool {
            stated.is_some_and(|stated| stated != found)
        }
        fn garment_differs<T: PartialEq>(
            stated: Option<(T, Option<Colour>)>,
            found: Option<(T, Colour)>,
        ) -> bool {
            stated.is_some_and(|(kind, colour)| {
                found.is_none_or(|(worn, shown)| worn != kind || differs(colour, shown))
            })
        }
        let shot = script.shots.first()?;
        let of_shot = [
            ("place", differs(self.place, shot.place)),
            ("light", differs(self.light, shot.light)),
            ("weather", differs(self.weather, shot.weather)),
            ("ground", differs(self.ground, shot.ground)),
            ("camera", differs(self.camera, shot.camera)),
            ("framing", differs(self.framing, shot.framing)),
            ("angle", differs(self.angle, shot.angle)),
            ("extras", differs(self.extras, shot.extras)),
            ("crowd", differs(self.crowd, shot.crowd)),
            ("excluded", script.cast.iter().any(|member| self.excluded.contains(&member.subject))),
        ];
        if let Some((slot, _)) = of_shot.iter().find(|(_, wrong)| *wrong) {
            return Some((*slot).to_owned());
        }
        for (idx, stated) in self.cast.iter().enumerate() {
            let (Some(member), Some(role)) = (script.cast.get(idx), shot.roles.get(idx)) else {
                return Some(format!("cast[{idx}]"));
            };
            let outfit = member.outfit.as_ref();
            let items_differ = stated.items.iter().any(|&(item, colour)| {
                outfit.and_then(|outfit| outfit.item(item)).is_none_or(|worn| differs(colour, worn))
            });
            let worn_anyway = stated
                .without
                .iter()
                .any(|item| outfit.is_some_and(|outfit| outfit.item(*item).is_some()));
            let of_member = [
                ("subject", differs(stated.subject, member.subject)),
                ("kind", differs(stated.kind, member.subject.kind())),
                ("colour", differs(stated.colour, member.colour)),
                ("top", garment_differs(stated.top, outfit.and_then(|outfit| outfit.top))),
                ("bottom", garment_differs(stated.bottom, outfit.map(|outfit| outfit.bottom))),
                (
                    "footwear",
                    garment_differs(stated.footwear, outfit.map(|outfit| outfit.footwear)),
                ),
                ("hair", stated.hair.is_some() && stated.hair != outfit.map(|outfit| outfit.hair)),
                ("items", items_differ),
                ("without", worn_anyway),
                ("material", differs(stated.material, member.material)),
                ("size", differs(stated.size, member.size)),
                ("action", differs(stated.action, role.action)),
                ("expression", differs(stated.expression, role.expression)),
                ("relation", differs(stated.relation, role.relation)),
                ("facing", differs(stated.facing, role.facing)),
                ("lane", differs(stated.lane, role.lane)),
            ];
            if let Some((slot, _)) = of_member.iter().find(|(_, wrong)| *wrong) {
                return Some(format!("cast[{idx}].{slot}"));
            }
        }
        None
    }
}

fn kind_name<S: serde::Serializer>(kind: &Option<Kind>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = match kind {
        Some(Kind::Person) => "person",
        Some(Kind::Animal) => "animal",
        Some(Kind::Vehicle) => "vehicle",
        Some(Kind::Thing) => "thing",
        None => "any",
    };
    serializer.serialize_str(name)
}
