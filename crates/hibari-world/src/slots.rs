//! What a text states of a script: every slot of a script, each of which may be empty.
//!
//! A caption carries the slots that it states, grounding reads them off a text, and sampling fills the empty ones.

use serde::Serialize;

use crate::script::Script;
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Kind, Lane, Light, Material, Place, Relation, Size, Subject, Top, Weather,
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
