//! Draws scripts: every attribute independently, from the training prior, but for held-out combinations.
//!
//! One function draws all scripts. Slots that a text states are kept, the others follow the prior, so a realised prompt
//! lies in the training distribution.

mod relations;

use crate::random::Random;
use crate::script::{FRAME_STEP, MAX_CAST, MAX_SHOTS, Member, Outfit, Role, Script, Shot, VERSION};
use crate::slots::{PartialMember, PartialScript};
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Kind, Lane, Light, Material, Mix, Place, Relation, Size, Subject, Term,
    Top, Weather,
};

/// Which scripts to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training: no held-out combination.
    Train,
    /// At least one combination of [`HELD_OUT`]; else as in training.
    Combinatorial,
    /// Speeds and numbers of pedestrians beyond those of training; no held-out combination.
    Outside,
}

/// Size and length of the clip to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClipForm {
    /// Frame width, pixels.
    pub width: u32,
    /// Frame height, pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Frames in all, a multiple of 4.
    pub frames: u32,
}

/// One value of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The shot's place.
    Place(Place),
    /// The shot's light.
    Light(Light),
    /// The shot's camera.
    Camera(CameraMove),
    /// A cast member's subject.
    Subject(Subject),
    /// The same member's main colour.
    Colour(Colour),
    /// The same member's action.
    Action(Action),
}

/// Combinations that never occur in training, neither in the main subject nor in the second one.
pub const HELD_OUT: &[&[Fact]] = &[
    &[Fact::Subject(Subject::Woman), Fact::Colour(Colour::Orange)],
    &[Fact::Subject(Subject::Man), Fact::Colour(Colour::Purple)],
    &[Fact::Subject(Subject::Dog), Fact::Colour(Colour::Blue)],
    &[Fact::Subject(Subject::Car), Fact::Colour(Colour::Pink)],
    &[Fact::Subject(Subject::Ball), Fact::Colour(Colour::Green)],
    &[Fact::Subject(Subject::Box), Fact::Colour(Colour::Yellow)],
    &[Fact::Action(Action::Wave), Fact::Place(Place::Park)],
    &[Fact::Subject(Subject::Ball), Fact::Light(Light::Night), Fact::Place(Place::Tabletop)],
    &[Fact::Subject(Subject::Car), Fact::Camera(CameraMove::PanLeft)],
    &[Fact::Subject(Subject::Child), Fact::Colour(Colour::Green)],
    &[Fact::Subject(Subject::Astronaut), Fact::Colour(Colour::Pink)],
    &[Fact::Subject(Subject::Robot), Fact::Colour(Colour::Brown)],
    &[Fact::Subject(Subject::Cat), Fact::Colour(Colour::Purple)],
    &[Fact::Subject(Subject::Horse), Fact::Colour(Colour::Red)],
    &[Fact::Subject(Subject::Mammoth), Fact::Colour(Colour::Blue)],
    &[Fact::Subject(Subject::Bird), Fact::Colour(Colour::Grey)],
    &[Fact::Subject(Subject::Boat), Fact::Colour(Colour::Yellow)],
    &[Fact::Subject(Subject::Balloon), Fact::Colour(Colour::Black)],
    &[Fact::Subject(Subject::Glass), Fact::Colour(Colour::Orange)],
    &[Fact::Action(Action::Dance), Fact::Place(Place::Snowfield)],
    &[Fact::Action(Action::Sit), Fact::Place(Place::Moon)],
    &[Fact::Subject(Subject::Horse), Fact::Camera(CameraMove::Orbit)],
    &[Fact::Subject(Subject::Robot), Fact::Place(Place::Desert), Fact::Light(Light::Sunset)],
];

/// Share of scripts with a second subject.
const SECOND_SUBJECT: f32 = 0.25;
/// Share of street and park scripts with pedestrians.
const PEDESTRIANS: f32 = 0.25;
/// Share of the later shots of a story that show the main subject alone.
const MAIN_ALONE: f32 = 0.35;
/// Share of people who wear a given item.
const ITEM: f32 = 0.2;
/// Bound on redraws; a draw of `Split::Combinatorial` succeeds in about one of seven.
const MAX_ATTEMPTS: u32 = 1_000;

impl Script {
    /// Draws a script of one shot from [`Mix::First`]: the same one for the same arguments, on every machine.
    pub fn sample(seed: u64, split: Split, form: ClipForm) -> Self {
        Self::sample_from(Mix::First, seed, split, form)
    }

    /// Draws a script of one shot from a mix: the same one for the same arguments, on every machine.
    pub fn sample_from(mix: Mix, seed: u64, split: Split, form: ClipForm) -> Self {
        draw(mix, seed, split, form, &PartialScript::default())
    }

    /// Draws a script of `n_shots` shots (1 to [`MAX_SHOTS`]) that share their cast; each has its own place, light,
    /// actions and camera, and an equal part of the frames. A shot may show the main subject alone.
    ///
    /// # Panics
    /// if there are too many shots, or fewer than four frames for each
    pub fn sample_story(mix: Mix, seed: u64, split: Split, form: ClipForm, n_shots: usize) -> Self {
        assert!((1..=MAX_SHOTS).contains(&n_shots), "a script of {n_shots} shots");
        let n = u32::try_from(n_shots).expect("at most 4");
        let frames = form.frames / n / FRAME_STEP * FRAME_STEP;
        assert!(frames >= FRAME_STEP, "{} frames for {n_shots} shots", form.frames);
        let form = ClipForm { frames, ..form };
        let mut script = draw(mix, seed, split, form, &PartialScript::default());
        let subjects = script.cast.iter().map(|member| PartialMember {
            subject: Some(member.subject),
            ..PartialMember::default()
        });
        let stated = PartialScript { cast: subjects.collect(), ..PartialScript::default() };
        for idx in 1..n_shots {
            for tries in 0..MAX_ATTEMPTS {
                let name = format!("story/{idx}/{tries}");
                let mut random = Random::new(seed, &name);
                let drawn = attempt(mix, random.bits(), 0, split, form, &stated);
                // One alone cannot collide.
                if drawn.cast.len() != script.cast.len() {
                    continue;
                }
                let mut shot = drawn.shots.into_iter().next().expect("an attempt has a shot");
                let is_bound =
                    shot.roles[0].partner.is_some() || shot.roles[0].action == Action::Collide;
                if !is_bound && random.chance(MAIN_ALONE) {
                    shot.roles.truncate(1);
                }
                script.shots.push(shot);
                // The first shot alone decides whether a held-out combination is in.
                if script.held_out().is_some() == (split == Split::Combinatorial) {
                    break;
                }
                script.shots.pop();
            }
        }
        script
    }

    /// The first combination of [`HELD_OUT`] that occurs in the script.
    pub fn held_out(&self) -> Option<&'static [Fact]> {
        let occurs = |facts: &[Fact]| {
            self.shots.iter().any(|shot| {
                shot.roles.iter().any(|role| {
                    let member = &self.cast[role.member];
                    facts.iter().all(|fact| match *fact {
                        Fact::Place(place) => shot.place == place,
                        Fact::Light(light) => shot.light == light,
                        Fact::Camera(camera) => shot.camera == camera,
                        Fact::Subject(subject) => member.subject == subject,
                        Fact::Colour(colour) => member.colour == colour,
                        Fact::Action(action) => role.action == action,
                    })
                })
            })
        };
        HELD_OUT.iter().copied().find(|facts| occurs(facts))
    }
}

/// Draws a script that keeps every stated slot. If they contradict the split, the split yields.
pub(crate) fn draw(
    mix: Mix,
    seed: u64,
    split: Split,
    form: ClipForm,
    stated: &PartialScript,
) -> Script {
    let mut script = attempt(mix, seed, 0, split, form, stated);
    // A held-out combination that is itself stated cannot be drawn away.
    let tries = if *stated == PartialScript::default() { MAX_ATTEMPTS } else { 32 };
    for n in 1..tries {
        if script.held_out().is_some() == (split == Split::Combinatorial) {
            break;
        }
        script = attempt(mix, seed, n, split, form, stated);
    }
    script
}

/// One draw; `n` numbers the redraws.
fn attempt(
    mix: Mix,
    seed: u64,
    n: u32,
    split: Split,
    form: ClipForm,
    stated: &PartialScript,
) -> Script {
    let (cast, roles) = draw_cast(mix, seed, n, split, stated);
    let shot = draw_shot(mix, seed, n, split, form.frames, stated, &cast, roles);
    Script {
        version: VERSION,
        seed,
        width: form.width,
        height: form.height,
        fps: form.fps,
        cast,
        shots: vec![shot],
    }
}

/// Draws who appears and does what.
fn draw_cast(
    mix: Mix,
    seed: u64,
    n: u32,
    split: Split,
    stated: &PartialScript,
) -> (Vec<Member>, Vec<Role>) {
    let stream = |name: &str| Random::new(seed, &format!("script/{n}/{name}"));
    let stated_cast = stated.cast.len().min(MAX_CAST);
    let mut n_cast = match stated_cast {
        0 | 1 => 1 + usize::from(stream("second").chance(SECOND_SUBJECT) && !is_closed(stated)),
        more => more,
    };
    let mut cast: Vec<Member> = Vec::with_capacity(n_cast);
    let mut roles: Vec<Role> = Vec::with_capacity(n_cast);
    let mut idx = 0;
    while idx < n_cast {
        let nothing = PartialMember::default();
        let said = relations::as_partner(stated.cast.get(idx).unwrap_or(&nothing), idx, stated);
        let stream = |name: &str| Random::new(seed, &format!("script/{n}/cast/{idx}/{name}"));
        let taken: Vec<Subject> = cast.iter().map(|member| member.subject).collect();
        let partner = (idx == 1).then(|| roles[0].action);
        let prior = Prior { mix, stated, partner };
        let subject = draw_subject(&prior, &said, &taken, &mut stream("subject"));
        cast.push(draw_member(mix, subject, &said, &stream));
        let followed = idx == 0 && stated.camera == Some(CameraMove::Follow);
        roles.push(draw_role(mix, idx, subject, &said, roles.first(), split, followed, &stream));
        if idx == 0 && roles[0].action == Action::Collide {
            n_cast = n_cast.max(2);
        }
        idx += 1;
    }
    if mix == Mix::Whole {
        relations::relate(&cast, &mut roles, stated, &stream);
    }
    (cast, roles)
}

/// Draws where and how it is seen.
fn draw_shot(
    mix: Mix,
    seed: u64,
    n: u32,
    split: Split,
    frames: u32,
    stated: &PartialScript,
    cast: &[Member],
    roles: Vec<Role>,
) -> Shot {
    let stream = |name: &str| Random::new(seed, &format!("script/{n}/{name}"));
    // Tabletops and the moon have no pedestrians and no weather.
    let peopled = stated.extras.is_some_and(|extras| extras > 0);
    let weathered = stated.weather.is_some_and(|weather| weather != Weather::Clear);
    let places: Vec<Place> = Place::of(mix)
        .iter()
        .copied()
        .filter(|place| place.is_open() || !(peopled || weathered))
        .filter(|place| cast.iter().all(|member| member.subject.places(mix).contains(place)))
        .collect();
    let place = stated.place.unwrap_or_else(|| stream("place").pick(&places));
    let main = &roles[0];
    let camera = stated.camera.unwrap_or_else(|| {
        // Following one who stays in place shows nothing that a static camera does not.
        let follows = main.action.travels();
        let moves: Vec<CameraMove> = CameraMove::of(mix)
            .iter()
            .copied()
            .filter(|camera| follows || *camera != CameraMove::Follow)
            .collect();
        stream("camera").pick(&moves)
    });
    let most_extras = if place.is_open() { crate::script::MAX_EXTRAS } else { 0 };
    let no_people = stated.excluded.iter().any(|subject| subject.kind() == Kind::Person);
    let extras = stated.extras.map_or_else(
        || draw_extras(place, split, !no_people, &mut stream("extras")),
        |extras| extras.min(most_extras),
    );
    let weather = stated.weather.unwrap_or_else(|| match mix {
        Mix::Whole if place.is_open() && stated.ground != Some(Ground::Dry) => stream("weather")
            .weighted(&[
                (Weather::Clear, 0.4),
                (Weather::Rain, 0.2),
                (Weather::Snow, 0.2),
                (Weather::Fog, 0.2),
            ]),
        Mix::Whole if place.is_open() => stream("weather").weighted(&[
            (Weather::Clear, 0.6),
            (Weather::Snow, 0.2),
            (Weather::Fog, 0.2),
        ]),
        Mix::First | Mix::Whole => Weather::Clear,
    });
    let dry_or_wet = || stream("ground").pick(Ground::ALL);
    Shot {
        place,
        light: stated.light.unwrap_or_else(|| stream("light").pick(Light::of(mix))),
        weather,
        ground: match weather {
            Weather::Rain => Ground::Wet,
            _ => stated.ground.unwrap_or_else(dry_or_wet),
        },
        camera,
        framing: stated.framing.unwrap_or_else(|| {
            stream("framing").weighted(match mix {
                Mix::First => &[(Framing::Wide, 0.4), (Framing::Medium, 0.6)],
                Mix::Whole => {
                    &[(Framing::Wide, 0.35), (Framing::Medium, 0.4), (Framing::CloseUp, 0.25)]
                }
            })
        }),
        angle: stated.angle.unwrap_or_else(|| match mix {
            Mix::First => Angle::EyeLevel,
            Mix::Whole => stream("angle").weighted(&[
                (Angle::EyeLevel, 0.6),
                (Angle::Low, 0.2),
                (Angle::High, 0.2),
            ]),
        }),
        frames,
        roles,
        crowd: match (stated.crowd, mix) {
            (Some(crowd), _) => crowd,
            (None, Mix::Whole) if stated.extras.is_none() && extras > 0 => {
                stream("crowd").weighted(&[(Crowd::People, 0.7), (Crowd::Animals, 0.3)])
            }
            (None, _) => Crowd::People,
        },
        extras,
    }
}

/// Whether a text names its whole cast: one stated subject is not joined by another that nobody asked for.
fn is_closed(stated: &PartialScript) -> bool {
    stated.cast.iter().any(|member| member.subject.is_some() || member.kind.is_some())
}

/// What a subject is drawn from.
struct Prior<'a> {
    mix: Mix,
    stated: &'a PartialScript,
    /// What the main subject does, for the second one.
    partner: Option<Action>,
}

fn draw_subject(
    prior: &Prior<'_>,
    said: &PartialMember,
    taken: &[Subject],
    random: &mut Random,
) -> Subject {
    if let Some(subject) = said.subject {
        return subject;
    }
    let mix = prior.mix;
    let kind = said.kind.or_else(|| said.is_clothed().then_some(Kind::Person));
    let dressed = said.is_clothed();
    let able = |subject: Subject| {
        kind.is_none_or(|kind| subject.kind() == kind)
            && (!dressed || subject.is_clothed())
            && (said.expression.is_none_or(|face| face == Expression::Calm)
                || subject.kind() == Kind::Person)
            && said.action.is_none_or(|action| subject.actions(mix).contains(&action))
            && (prior.partner != Some(Action::Collide)
                || subject.actions(mix).contains(&Action::Collide))
            && said.bottom.is_none_or(|(bottom, _)| subject.bottoms().contains(&bottom))
            && said.material.is_none_or(|material| subject.materials(mix).contains(&material))
            && prior.stated.place.is_none_or(|place| subject.places(mix).contains(&place))
            && (subject.kind() == Kind::Thing || said.size.unwrap_or(Size::Medium) == Size::Medium)
    };
    let wanted: Vec<Subject> =
        Subject::of(mix).iter().copied().filter(|subject| able(*subject)).collect();
    let free: Vec<Subject> = wanted
        .iter()
        .copied()
        .filter(|subject| !taken.contains(subject) && !prior.stated.excluded.contains(subject))
        .collect();
    match (free.as_slice(), wanted.as_slice()) {
        ([], []) => random.pick(Subject::of(mix)),
        ([], some) | (some, _) => random.pick(some),
    }
}

fn draw_member(
    mix: Mix,
    subject: Subject,
    said: &PartialMember,
    stream: &dyn Fn(&str) -> Random,
) -> Member {
    let thing = subject.kind() == Kind::Thing;
    let drawn = said.colour.unwrap_or_else(|| stream("colour").pick(Colour::ALL));
    let outfit = subject.is_clothed().then(|| draw_outfit(subject, drawn, said, stream));
    Member {
        subject,
        colour: outfit.as_ref().map_or(drawn, Outfit::dominant),
        outfit,
        material: match (said.material, subject.materials(mix)) {
            (Some(material), materials) if materials.contains(&material) => material,
            (_, [material]) => *material,
            (_, [_, _]) => {
                stream("material").weighted(&[(Material::Matte, 0.8), (Material::Metal, 0.2)])
            }
            _ => stream("material").weighted(&[
                (Material::Matte, 0.6),
                (Material::Metal, 0.2),
                (Material::Glass, 0.2),
            ]),
        },
        size: if thing {
            said.size.unwrap_or_else(|| {
                stream("size").weighted(&[
                    (Size::Small, 0.25),
                    (Size::Medium, 0.5),
                    (Size::Large, 0.25),
                ])
            })
        } else {
            Size::Medium
        },
    }
}

/// Draws clothes whose dominant garment has the colour `main`, unless another is stated of that garment.
fn draw_outfit(
    subject: Subject,
    main: Colour,
    said: &PartialMember,
    stream: &dyn Fn(&str) -> Random,
) -> Outfit {
    let colour = |name: &str| stream(&format!("colour of {name}")).pick(Colour::ALL);
    let bottom = match (said.bottom, said.top) {
        (Some((bottom, _)), _) => bottom,
        // A text that names the upper garment and no dress means trousers.
        (None, Some(_)) => Bottom::Trousers,
        (None, None) => stream("bottom").pick(subject.bottoms()),
    };
    let top = match (said.top, bottom) {
        // A t-shirt under a dress does not show.
        (Some((Top::TShirt, _)), Bottom::Dress) => None,
        (Some((top, _)), _) => Some(top),
        // A text that names a dress means that it is seen.
        (None, Bottom::Dress) if said.bottom.is_some() => None,
        (None, Bottom::Dress) => stream("over the dress").weighted(&[
            (None, 0.7),
            (Some(Top::Jacket), 0.2),
            (Some(Top::Coat), 0.1),
        ]),
        (None, Bottom::Trousers) => Some(stream("top").pick(Top::ALL)),
    };
    let dominant_is_top = match (top, bottom) {
        (Some(Top::Coat), _) | (_, Bottom::Trousers) => true,
        (_, Bottom::Dress) => false,
    };
    let said_top = said.top.and_then(|(_, colour)| colour);
    let said_bottom = said.bottom.and_then(|(_, colour)| colour);
    let top_colour = said_top.unwrap_or_else(|| if dominant_is_top { main } else { colour("top") });
    let bottom_colour =
        said_bottom.unwrap_or_else(|| if dominant_is_top { colour("bottom") } else { main });
    let (footwear, footwear_colour) =
        said.footwear.map_or((None, None), |(kind, colour)| (Some(kind), colour));
    let mut items = Vec::new();
    for &item in Item::ALL {
        let stated = said.items.iter().find(|(worn, _)| *worn == item);
        let name = item.name();
        let worn = match stated {
            Some(_) => true,
            None => !said.without.contains(&item) && stream(name).chance(ITEM),
        };
        if worn {
            items.push((
                item,
                stated.and_then(|(_, colour)| *colour).unwrap_or_else(|| colour(name)),
            ));
        }
    }
    Outfit {
        top: top.map(|top| (top, top_colour)),
        bottom: (bottom, bottom_colour),
        footwear: (
            footwear.unwrap_or_else(|| stream("footwear").pick(Footwear::ALL)),
            footwear_colour.unwrap_or_else(|| colour("footwear")),
        ),
        hair: said.hair.unwrap_or_else(|| stream("hair").pick(Hair::ALL)),
        items,
    }
}

fn draw_role(
    mix: Mix,
    idx: usize,
    subject: Subject,
    said: &PartialMember,
    main: Option<&Role>,
    split: Split,
    followed: bool,
    stream: &dyn Fn(&str) -> Random,
) -> Role {
    let all = subject.actions(mix);
    let collides = main.is_some_and(|main| main.action == Action::Collide) && idx == 1;
    let wanted: Vec<Action> = all
        .iter()
        .copied()
        .filter(|action| match (main, collides) {
            // Two collide, or none.
            (Some(_), true) => *action == Action::Collide,
            (Some(_), false) => *action != Action::Collide,
            (None, _) => !followed || action.travels(),
        })
        .collect();
    let actions = if wanted.is_empty() { all } else { wanted.as_slice() };
    let action = said
        .action
        .filter(|action| actions.contains(action) || (main.is_none() && all.contains(action)))
        .unwrap_or_else(|| stream("action").pick(actions));
    let (relation, partner, lane) = match main {
        None => (Relation::Alone, None, Lane::Centre),
        Some(_) => (Relation::Beside, Some(0), stream("lane").pick(&[Lane::Left, Lane::Right])),
    };
    let facing = said.facing.unwrap_or_else(|| {
        main.map_or_else(
            || {
                stream("facing").weighted(&[
                    (Facing::Left, 0.3),
                    (Facing::Right, 0.3),
                    (Facing::Toward, 0.25),
                    (Facing::Away, 0.15),
                ])
            },
            // Those who are beside each other face the same way.
            |main| main.facing,
        )
    });
    let mut random = stream("speed");
    let speed = match split {
        Split::Train | Split::Combinatorial => random.range(0.85, 1.15),
        Split::Outside => random.range(1.5, 2.0),
    };
    Role {
        member: idx,
        action,
        expression: match (said.expression, mix) {
            _ if subject.kind() != Kind::Person => Expression::Calm,
            (Some(expression), _) => expression,
            (None, Mix::First) => Expression::Calm,
            (None, Mix::Whole) => stream("expression").pick(Expression::ALL),
        },
        relation: said
            .relation
            .filter(|said| match said {
                Relation::Alone => true,
                Relation::Beside => partner.is_some(),
                // These ask something of both; they are settled when both are drawn.
                _ => false,
            })
            .unwrap_or(relation),
        partner: partner.filter(|_| said.relation != Some(Relation::Alone)),
        facing,
        lane: said.lane.unwrap_or(lane),
        speed,
    }
}

fn draw_extras(place: Place, split: Split, people_allowed: bool, random: &mut Random) -> u32 {
    if !place.is_open() || !people_allowed {
        return 0;
    }
    match split {
        Split::Outside => random.pick(&[4, 5, 6]),
        Split::Train | Split::Combinatorial if random.chance(PEDESTRIANS) => {
            random.pick(&[1, 2, 3])
        }
        Split::Train | Split::Combinatorial => 0,
    }
}

#[cfg(test)]
mod tests;
