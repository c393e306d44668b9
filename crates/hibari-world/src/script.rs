//! A `Script`: every fact of a clip, as a plain, versioned and validated value.
//!
//! It holds no geometry and no time curves: the timeline works those out from the script alone. Source: "One script,
//! four uses" in the world's design.

mod reading;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Kind, Lane, Light, Material, Mix, Place, Relation, Size, Subject, Term,
    Top, Weather,
};

/// Version of the script's form and of the world that draws it.
pub const VERSION: u32 = 1;
/// Frames per latent frame: shots last a multiple of it.
pub const FRAME_STEP: u32 = 4;
/// Largest cast that a script may hold (the model has six cast slots).
pub const MAX_CAST: usize = 6;
/// Most shots in a script.
pub const MAX_SHOTS: usize = 4;
/// Most background pedestrians in a shot.
pub const MAX_EXTRAS: u32 = 6;
/// Most frames in a shot.
pub const MAX_FRAMES: u32 = 3_072;
/// Smallest and largest side of a frame, pixels.
pub const SIDE_PX: (u32, u32) = (32, 2_048);
/// Frame rates that the world renders, frames per second.
pub const FPS: [u32; 2] = [12, 24];
/// Slowest and fastest action, relative to the usual speed.
pub const SPEED: (f32, f32) = (0.25, 4.0);

/// All facts of a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Form of this value and of the world: [`VERSION`].
    pub version: u32,
    /// Seeds all that the script leaves open: layout of signs and trees, looks of extras, exact speeds.
    pub seed: u64,
    /// Frame width, pixels; even.
    pub width: u32,
    /// Frame height, pixels; even.
    pub height: u32,
    /// Frames per second: 12 or 24.
    pub fps: u32,
    /// Who and what appears; the first is the main subject. At most [`MAX_CAST`].
    pub cast: Vec<Member>,
    /// What happens, in order, with hard cuts between. From 1 to [`MAX_SHOTS`].
    pub shots: Vec<Shot>,
}

/// A member of the cast: its looks, which stay the same in all shots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What it is.
    pub subject: Subject,
    /// Main colour: of the dominant garment ([`Outfit::dominant`]), of the fur, or of the body.
    pub colour: Colour,
    /// Clothes, hair and worn items; for clothed people ([`Subject::is_clothed`]), and only for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outfit: Option<Outfit>,
    /// Surface; matte for all but things, glass for a (drinking) glass.
    pub material: Material,
    /// Size; medium for all but things.
    pub size: Size,
}

/// Looks of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outfit {
    /// Upper garment and its colour. Always there with trousers; over a dress there may be a jacket or a coat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<(Top, Colour)>,
    /// Lower garment, or the (long) dress, and its colour.
    pub bottom: (Bottom, Colour),
    /// Footwear and its colour.
    pub footwear: (Footwear, Colour),
    /// Hair colour.
    pub hair: Hair,
    /// Worn or carried items with their colours: each item at most once, in the order of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<(Item, Colour)>,
}

/// One take without a cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shot {
    /// Where.
    pub place: Place,
    /// Light.
    pub light: Light,
    /// Weather.
    pub weather: Weather,
    /// Whether the ground (or the table) is dry, or wet and mirroring.
    pub ground: Ground,
    /// Movement of the camera.
    pub camera: CameraMove,
    /// How much of the frame the main subject takes.
    pub framing: Framing,
    /// Height of the camera.
    pub angle: Angle,
    /// Length in frames: a multiple of [`FRAME_STEP`], at most [`MAX_FRAMES`].
    pub frames: u32,
    /// Who does what; the first is the shot's main subject.
    pub roles: Vec<Role>,
    /// Who they are that pass by in the background: people, if nothing is said.
    #[serde(default = "people", skip_serializing_if = "is_people")]
    pub crowd: Crowd,
    /// Pedestrians (or animals) in the background; none on the tabletop and on the moon. At most [`MAX_EXTRAS`].
    pub extras: u32,
}

const fn people() -> Crowd {
    Crowd::People
}

fn is_people(crowd: &Crowd) -> bool {
    *crowd == Crowd::People
}

/// What a member of the cast does in a shot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Position in [`Script::cast`].
    pub member: usize,
    /// What it does.
    pub action: Action,
    /// Face; calm for all but people.
    pub expression: Expression,
    /// How it stands to `partner`.
    pub relation: Relation,
    /// Position in [`Script::cast`] of the one that `relation` is about; absent when alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<usize>,
    /// Direction in which it faces and moves.
    pub facing: Facing,
    /// Third of the frame in which it is in the middle of the shot.
    pub lane: Lane,
    /// Speed of the action relative to the usual one.
    pub speed: f32,
}

/// What is wrong with a script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A field has a value that the world cannot draw.
    #[error("{}`{field}` is `{value}`: {reason}; the nearest valid value is `{nearest}`", reading::at_line(*.line))]
    Invalid {
        /// Line of the field in the text; nothing for a script that was not read from one.
        line: Option<usize>,
        /// Path of the field, such as `shots[0].frames`.
        field: String,
        /// The value found.
        value: String,
        /// Why it is not valid.
        reason: String,
        /// The nearest valid value.
        nearest: String,
    },
    /// The text is not a script.
    #[error("line {line}: {reason}{}", reading::nearest(.nearest.as_deref()))]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Why.
        reason: String,
        /// The nearest name that is known there.
        nearest: Option<String>,
    },
}

/// The evaluation labels of a script: what the judge predicts, taken from the first shot and its main subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Place of the first shot.
    pub place: Place,
    /// Light of the first shot.
    pub light: Light,
    /// State of the ground in the first shot.
    pub ground: Ground,
    /// Class of the main subject.
    pub subject: Subject,
    /// Main colour of the main subject.
    pub colour: Colour,
    /// Action of the main subject.
    pub action: Action,
    /// Movement of the camera.
    pub camera: CameraMove,
}

impl Attributes {
    /// Names of the labels, in the order of [`Attributes::labels`].
    pub const NAMES: [&'static str; 7] =
        ["place", "light", "wet", "subject", "colour", "action", "camera"];
    /// Number of classes of each label in [`Mix::First`], in the order of [`Attributes::labels`].
    pub const CLASSES: [usize; 7] = Self::classes(Mix::First);

    /// Number of classes of each label in a mix, in the order of [`Attributes::labels`].
    pub const fn classes(mix: Mix) -> [usize; 7] {
        match mix {
            Mix::First => [
                Place::FIRST.len(),
                Light::FIRST.len(),
                Ground::FIRST.len(),
                Subject::FIRST.len(),
                Colour::FIRST.len(),
                Action::FIRST.len(),
                CameraMove::FIRST.len(),
            ],
            Mix::Whole => [
                Place::ALL.len(),
                Light::ALL.len(),
                Ground::ALL.len(),
                Subject::ALL.len(),
                Colour::ALL.len(),
                Action::ALL.len(),
                CameraMove::ALL.len(),
            ],
        }
    }

    /// The class of each label: `labels()[i] < classes(mix)[i]` for a script of `mix`. The label `wet` is 0 for dry
    /// ground and 1 for wet.
    pub fn labels(&self) -> [usize; 7] {
        [
            self.place.index(),
            self.light.index(),
            self.ground.index(),
            self.subject.index(),
            self.colour.index(),
            self.action.index(),
            self.camera.index(),
        ]
    }

    /// Name of class `class` of label `label`, or nothing if either is out of the range of [`Attributes::CLASSES`].
    pub fn class_name(label: usize, class: usize) -> Option<&'static str> {
        fn name<T: Term>(class: usize) -> Option<&'static str> {
            T::FIRST.get(class).map(|term| term.name())
        }
        match label {
            0 => name::<Place>(class),
            1 => name::<Light>(class),
            2 => name::<Ground>(class),
            3 => name::<Subject>(class),
            4 => name::<Colour>(class),
            5 => name::<Action>(class),
            6 => name::<CameraMove>(class),
            _ => None,
        }
    }
}

impl Outfit {
    /// The garment that takes most of the person's area, by which people name the colour: a coat, else a dress, else
    /// the top; its colour is the member's main colour.
    pub fn dominant(&self) -> Colour {
        match (self.top, self.bottom) {
            (Some((Top::Coat, colour)), _)
            | (_, (Bottom::Dress, colour))
            | (Some((_, colour)), _) => colour,
            (None, (_, colour)) => colour,
        }
    }

    /// The colour of `item`, if it is worn.
    pub fn item(&self, item: Item) -> Option<Colour> {
        self.items.iter().find(|(worn, _)| *worn == item).map(|&(_, colour)| colour)
    }
}

impl Script {
    /// Length of all shots, frames.
    pub fn frames(&self) -> u32 {
        self.shots.iter().map(|shot| shot.frames).sum()
    }

    /// The smallest mix that holds all values of the script.
    pub fn mix(&self) -> Mix {
        let first =
            |member: &Member| member.subject.is_in(Mix::First) && member.material.is_in(Mix::First);
        let of_first = |role: &Role| {
            let subject = self.cast.get(role.member).map(|member| member.subject);
            subject.is_some_and(|subject| subject.actions(Mix::First).contains(&role.action))
                && role.expression.is_in(Mix::First)
                && role.relation.is_in(Mix::First)
        };
        let is_first = self.cast.iter().all(first)
            && self.shots.iter().all(|shot| {
                shot.place.is_in(Mix::First)
                    && shot.light.is_in(Mix::First)
                    && shot.weather.is_in(Mix::First)
                    && shot.camera.is_in(Mix::First)
                    && shot.framing.is_in(Mix::First)
                    && shot.angle.is_in(Mix::First)
                    && shot.crowd.is_in(Mix::First)
                    && shot.roles.iter().all(of_first)
            });
        if is_first { Mix::First } else { Mix::Whole }
    }

    /// The labels by which a video of this script is judged.
    ///
    /// # Panics
    /// if the script has no shot, no role, or a role without a member: [`Script::validate`] excludes it
    pub fn attributes(&self) -> Attributes {
        let shot = self.shots.first().expect("a valid script has a shot");
        let role = shot.roles.first().expect("a valid shot has a role");
        let member = &self.cast[role.member];
        Attributes {
            place: shot.place,
            light: shot.light,
            ground: shot.ground,
            subject: member.subject,
            colour: member.colour,
            action: role.action,
            camera: shot.camera,
        }
    }

    /// The same clip at twice the width and height.
    #[must_use]
    pub fn at_double_size(&self) -> Self {
        Self { width: 2 * self.width, height: 2 * self.height, ..self.clone() }
    }

    /// The same clip of 12 frames a second at 24: its frame `2 * n` is frame `n`.
    #[must_use]
    pub fn at_double_rate(&self) -> Self {
        let mut script = Self { fps: 2 * self.fps, ..self.clone() };
        for shot in &mut script.shots {
            shot.frames *= 2;
        }
        script
    }

    /// Reads and validates a script.
    ///
    /// # Errors
    /// [`ScriptError::Json`] if the text is not a script, [`ScriptError::Invalid`] if the world cannot draw it
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let script: Self =
            serde_json::from_str(text).map_err(|error| reading::explained(error, text))?;
        script.validate().map_err(|error| reading::located(error, text))?;
        Ok(script)
    }

    /// The script as indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a script holds only plain values")
    }

    /// Checks that the world can draw this script.
    ///
    /// # Errors
    /// [`ScriptError::Invalid`] for the first field that it cannot, with the nearest valid value
    pub fn validate(&self) -> Result<(), ScriptError> {
        check(
            self.version == VERSION,
            "version",
            self.version,
            "this is another version of the world",
            VERSION,
        )?;
        check_side("width", self.width)?;
        check_side("height", self.height)?;
        check(
            FPS.contains(&self.fps),
            "fps",
            self.fps,
            "the world renders 12 or 24 frames per second",
            if self.fps < 18 { FPS[0] } else { FPS[1] },
        )?;
        check_count("cast", self.cast.len(), 1, MAX_CAST, "a cast has 1 to 6 members")?;
        check_count("shots", self.shots.len(), 1, MAX_SHOTS, "a script has 1 to 4 shots")?;
        for (idx, member) in self.cast.iter().enumerate() {
            member.validate(&format!("cast[{idx}]"))?;
        }
        for (idx, shot) in self.shots.iter().enumerate() {
            shot.validate(&format!("shots[{idx}]"), &self.cast)?;
        }
        Ok(())
    }
}

impl Member {
    fn validate(&self, path: &str) -> Result<(), ScriptError> {
        let thing = self.subject.kind() == Kind::Thing;
        let materials = self.subject.materials(Mix::Whole);
        check(
            materials.contains(&self.material),
            &format!("{path}.material"),
            self.material,
            "only things have a material, and a drinking glass is of glass",
            materials[0],
        )?;
        check(
            thing || self.size == Size::Medium,
            &format!("{path}.size"),
            self.size,
            "only things have a size",
            Size::Medium,
        )?;
        let field = format!("{path}.outfit");
        match &self.outfit {
            None => check(
                !self.subject.is_clothed(),
                &field,
                "none",
                "a person wears clothes",
                "trousers and a t-shirt",
            ),
            Some(outfit) => {
                let shown = outfit.bottom.0;
                let clothed = self.subject.is_clothed();
                check(clothed, &field, shown, "only people wear clothes", "none")?;
                outfit.validate(&field, self.subject)?;
                check(
                    self.colour == outfit.dominant(),
                    &format!("{path}.colour"),
                    self.colour,
                    "the main colour of a person is that of the coat, else of the dress, else of the top",
                    outfit.dominant(),
                )
            }
        }
    }
}

impl Outfit {
    fn validate(&self, path: &str, subject: Subject) -> Result<(), ScriptError> {
        let bottom = self.bottom.0;
        let nearest = subject.bottoms().first().copied().unwrap_or(Bottom::Trousers);
        let allowed = subject.bottoms().contains(&bottom);
        check(allowed, &format!("{path}.bottom"), bottom, "this person does not wear it", nearest)?;
        let field = format!("{path}.top");
        match (bottom, self.top) {
            (Bottom::Trousers, None) => {
                check(false, &field, "none", "trousers need a top", Top::TShirt)?
            }
            (Bottom::Dress, Some((Top::TShirt, _))) => {
                check(
                    false,
                    &field,
                    Top::TShirt,
                    "over a dress goes a jacket, a coat or nothing",
                    Top::Jacket,
                )?;
            }
            (Bottom::Trousers | Bottom::Dress, _) => {}
        }
        let mut sorted: Vec<Item> = self.items.iter().map(|(item, _)| *item).collect();
        sorted.sort_unstable();
        sorted.dedup();
        check(
            sorted.iter().eq(self.items.iter().map(|(item, _)| item)),
            &format!("{path}.items"),
            list(self.items.iter().map(|(item, _)| *item)),
            "each item is worn at most once, in the order of the vocabulary",
            list(sorted.iter().copied()),
        )
    }
}

impl Shot {
    fn validate(&self, path: &str, cast: &[Member]) -> Result<(), ScriptError> {
        let stepped = self.frames.next_multiple_of(FRAME_STEP).clamp(FRAME_STEP, MAX_FRAMES);
        check(
            self.frames == stepped,
            &format!("{path}.frames"),
            self.frames,
            "a shot lasts a multiple of 4 frames, 3,072 at most",
            stepped,
        )?;
        let most = if self.place.is_open() { MAX_EXTRAS } else { 0 };
        check(
            self.extras <= most,
            &format!("{path}.extras"),
            self.extras,
            "a street or a park holds up to 6 pedestrians, a tabletop and the moon none",
            self.extras.min(most),
        )?;
        check(
            self.place.is_open() || self.weather == Weather::Clear,
            &format!("{path}.weather"),
            self.weather,
            "a tabletop and the moon have no weather",
            Weather::Clear,
        )?;
        check(
            self.weather != Weather::Rain || self.ground == Ground::Wet,
            &format!("{path}.ground"),
            self.ground,
            "rain makes the ground wet",
            Ground::Wet,
        )?;
        check_count(
            &format!("{path}.roles"),
            self.roles.len(),
            1,
            cast.len(),
            "a shot shows 1 to all of the cast",
        )?;
        for (idx, role) in self.roles.iter().enumerate() {
            let path = format!("{path}.roles[{idx}]");
            let earlier = self.roles[..idx].iter().any(|other| other.member == role.member);
            let free = (0..cast.len())
                .find(|member| self.roles[..idx].iter().all(|other| other.member != *member));
            check(
                !earlier && role.member < cast.len(),
                &format!("{path}.member"),
                role.member,
                "a role is that of one member of the cast, who has no other in the shot",
                free.unwrap_or(0),
            )?;
            role.validate(&path, cast)?;
        }
        for (idx, role) in self.roles.iter().enumerate() {
            let subject = cast[role.member].subject;
            let places = subject.places(Mix::Whole);
            check(
                places.contains(&self.place),
                &format!("{path}.place"),
                self.place,
                &format!("a {subject} is only at home in: {}", list(places.iter().copied())),
                places[0],
            )?;
            self.validate_relation(&format!("{path}.roles[{idx}]"), role, cast)?;
        }
        Ok(())
    }

    /// Checks what a role demands of its partner.
    fn validate_relation(
        &self,
        path: &str,
        role: &Role,
        cast: &[Member],
    ) -> Result<(), ScriptError> {
        if role.action == Action::Collide {
            let n = self.roles.iter().filter(|role| role.action == Action::Collide).count();
            let value = format!("collide, by {n}");
            let reason = "two collide in a shot, neither more nor fewer";
            check(n == 2, &format!("{path}.action"), value, reason, "collide, by 2")?;
        }
        let Some(partner) = role.partner else { return Ok(()) };
        let Some(other) = self.roles.iter().find(|other| other.member == partner) else {
            let shown = self.roles.iter().map(|role| role.member).find(|m| *m != role.member);
            return check(
                role.relation == Relation::Beside,
                &format!("{path}.partner"),
                partner,
                "the partner is not in the shot",
                shown.map_or_else(|| "none, with the relation alone".to_owned(), |m| m.to_string()),
            );
        };
        match role.relation {
            Relation::Alone | Relation::Beside | Relation::Behind => Ok(()),
            Relation::Follows | Relation::Chases => {
                check(
                    role.action.travels() && other.action.travels(),
                    &format!("{path}.relation"),
                    role.relation,
                    "who follows or is followed has to move along",
                    Relation::Behind,
                )?;
                check(
                    role.facing == other.facing,
                    &format!("{path}.facing"),
                    role.facing,
                    "who follows another moves in the same direction",
                    other.facing,
                )
            }
            Relation::Meets => check(
                role.facing == other.facing.opposite(),
                &format!("{path}.facing"),
                role.facing,
                "those who meet face each other",
                other.facing.opposite(),
            ),
            Relation::Holds => {
                let able = cast[role.member].subject.kind() == Kind::Person;
                let holdable =
                    cast[partner].subject.kind() == Kind::Thing && other.action == Action::Stand;
                check(
                    able && holdable,
                    &format!("{path}.relation"),
                    role.relation,
                    "a person can hold a thing that does nothing else (`stand`)",
                    Relation::Beside,
                )
            }
        }
    }
}

impl Role {
    fn validate(&self, path: &str, cast: &[Member]) -> Result<(), ScriptError> {
        let subject = cast[self.member].subject;
        let actions = subject.actions(Mix::Whole);
        check(
            actions.contains(&self.action),
            &format!("{path}.action"),
            self.action,
            &format!("a {subject} can only {}", list(actions.iter().copied())),
            if self.action.travels() {
                *actions.iter().find(|a| a.travels()).unwrap_or(&actions[0])
            } else {
                actions[0]
            },
        )?;
        check(
            subject.kind() == Kind::Person || self.expression == Expression::Calm,
            &format!("{path}.expression"),
            self.expression,
            "only people have an expression",
            Expression::Calm,
        )?;
        let field = format!("{path}.partner");
        let found = self.partner.map_or_else(|| "none".to_owned(), |partner| partner.to_string());
        let other = (0..cast.len()).find(|member| *member != self.member);
        match (self.relation, self.partner) {
            (Relation::Alone, partner) => {
                check(partner.is_none(), &field, found, "one who is alone has no partner", "none")?;
            }
            (_, partner) => check(
                partner.is_some_and(|partner| partner < cast.len() && partner != self.member),
                &field,
                found,
                "a relation needs another member of the cast",
                other.map_or_else(
                    || "none, with the relation alone".to_owned(),
                    |member| member.to_string(),
                ),
            )?,
        }
        let (slowest, fastest) = SPEED;
        check(
            (slowest..=fastest).contains(&self.speed),
            &format!("{path}.speed"),
            self.speed,
            "speeds range from 0.25 to 4",
            if self.speed.is_nan() { 1.0 } else { self.speed.clamp(slowest, fastest) },
        )
    }
}

fn check(
    valid: bool,
    field: &str,
    value: impl ToString,
    reason: &str,
    nearest: impl ToString,
) -> Result<(), ScriptError> {
    if valid {
        return Ok(());
    }
    Err(ScriptError::Invalid {
        line: None,
        field: field.to_owned(),
        value: value.to_string(),
        reason: reason.to_owned(),
        nearest: nearest.to_string(),
    })
}

fn check_side(field: &str, side_px: u32) -> Result<(), ScriptError> {
    let nearest = side_px.clamp(SIDE_PX.0, SIDE_PX.1) / 2 * 2;
    check(side_px == nearest, field, side_px, "sides are even, from 32 to 2048 pixels", nearest)
}

fn check_count(
    field: &str,
    n: usize,
    least: usize,
    most: usize,
    reason: &str,
) -> Result<(), ScriptError> {
    check(
        (least..=most).contains(&n),
        field,
        format!("{n} entries"),
        reason,
        format!("{} entries", n.clamp(least, most)),
    )
}

fn list<T: Term>(terms: impl Iterator<Item = T>) -> String {
    terms.map(Term::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
