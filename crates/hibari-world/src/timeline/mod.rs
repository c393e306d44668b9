//! The timeline of a script: for each frame where everyone is, what everyone does, and what the camera sees.
//!
//! Everything is a closed form of the frame's time, so any frame can be asked for alone, in any order.

pub(crate) mod motion;
pub(crate) mod physics;
mod spray;
mod staging;

use glam::Vec3;
use serde::Serialize;

use self::motion::{Moment, fract};
use self::spray::Spray;
use self::staging::Staging;
use crate::figures::Figure;
use crate::figures::pedestrian::Pedestrian;
use crate::places::{Look, Setting, Way};
use crate::random::Random;
use crate::render::Scene;
use crate::script::{Script, Shot};
use crate::vocabulary::{Action, Colour, Crowd, Place, Subject, Term};

/// Length of the stretch around the camera that pedestrians walk through, units.
const WALKED: f32 = 13.0;
/// Distance of one cycle of a pedestrian's legs, units.
const PEDESTRIAN_STRIDE: f32 = 0.8;

/// All frames of a script, ready to be drawn: meshes are built once, poses are worked out per frame.
#[derive(Clone, Debug)]
pub struct Timeline {
    shots: Vec<Take>,
    fps: f32,
    n_frames: u32,
}

/// What is known of a member of the cast in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityState {
    /// Position in the script's cast.
    pub member: usize,
    /// The point on the ground below its middle; in the air, its lowest point. Units of the world: a person is 1.6 high.
    pub position: Vec3,
    /// Change of the position, units per second.
    pub velocity: Vec3,
    /// What it does.
    pub action: Action,
    /// Where feet rest on the ground, units; `None` for each foot that is in the air. Empty without legs.
    pub contacts: Vec<Option<Vec3>>,
}

/// Something that happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When, seconds from the start of the clip.
    pub secs: f32,
    /// To whom: position in the script's cast.
    pub member: usize,
    /// What.
    pub what: Happening,
    /// With whom; nothing for the ground, or a push.
    pub partner: Option<usize>,
}

/// What may happen to a member of the cast at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// It is pushed.
    Push,
    /// It meets the ground or its partner.
    Contact,
    /// It breaks.
    Break,
    /// It comes to rest.
    Rest,
}

/// One shot.
#[derive(Clone, Debug)]
struct Take {
    first: u32,
    frames: u32,
    setting: Setting,
    staging: Staging,
    members: Vec<usize>,
    figures: Vec<Figure>,
    extras: Vec<Extra>,
    spray: Option<Spray>,
}

/// A background pedestrian on its way.
#[derive(Clone, Debug)]
struct Extra {
    figure: Passer,
    /// Sideways of the way, from the camera's side to the other, units.
    lateral: f32,
    /// Along the way at the start, parts of [`WALKED`].
    start: f32,
    /// Speed along the way, units per second.
    velocity: f32,
}

/// Who passes by in the background.
#[derive(Clone, Debug)]
enum Passer {
    Person(Pedestrian),
    Animal(Box<Figure>, f32),
}

impl Timeline {
    /// Works out a script.
    ///
    /// # Panics
    /// if the script is not valid, see [`Script::validate`]
    pub fn new(script: &Script) -> Self {
        let mut shots = Vec::with_capacity(script.shots.len());
        let mut n_frames = 0;
        for (idx, shot) in script.shots.iter().enumerate() {
            shots.push(Take::new(script, shot, idx, n_frames));
            n_frames += shot.frames;
        }
        let fps = f32::from(u8::try_from(script.fps).expect("a valid frame rate is 12 or 24"));
        Self { shots, fps, n_frames }
    }

    /// Frames of all shots.
    pub fn n_frames(&self) -> u32 {
        self.n_frames
    }

    /// What frame `frame` shows; the entity of role `i` is `i + 1`.
    ///
    /// # Panics
    /// if there is no such frame
    pub fn scene(&self, frame: u32) -> Scene {
        let (shot, secs) = self.shot_at(frame);
        let (view, around) = shot.staging.view(secs);
        let mut scene = shot.setting.scene(view, around, secs);
        for (idx, (figure, motion)) in shot.figures.iter().zip(&shot.staging.motions).enumerate() {
            let entity = u8::try_from(idx + 1).expect("a cast has at most 6 members");
            figure.instances(&motion.at(secs), entity, &mut scene.instances);
            if let Some(spray) = &shot.spray {
                spray.instances(idx, figure, motion, secs, &mut scene.instances);
            }
        }
        for extra in &shot.extras {
            let moment = extra.at(secs, around, shot.staging.way);
            match &extra.figure {
                Passer::Person(person) => {
                    person.model().instances(&person.bones(&moment), 0, &mut scene.instances);
                }
                Passer::Animal(animal, stride) => {
                    let moment = Moment { stride: *stride, ..moment };
                    animal.instances(&moment, 0, &mut scene.instances);
                }
            }
        }
        scene
    }

    /// What is known of each role of the shot in frame `frame`, in the order of its roles.
    ///
    /// # Panics
    /// if there is no such frame
    pub fn state(&self, frame: u32) -> Vec<EntityState> {
        let (shot, secs) = self.shot_at(frame);
        let roles = shot.members.iter().zip(&shot.figures).zip(&shot.staging.motions);
        roles
            .map(|((&member, figure), motion)| {
                let moment = motion.at(secs);
                EntityState {
                    member,
                    position: moment.position,
                    velocity: moment.velocity,
                    action: moment.action,
                    contacts: figure
                        .feet(&moment)
                        .into_iter()
                        .map(|(step, place)| step.stands.then_some(place))
                        .collect(),
                }
            })
            .collect()
    }

    /// Time of a frame, seconds from the start of the clip.
    pub fn secs(&self, frame: u32) -> f32 {
        let n = u16::try_from(frame).expect("a valid script has at most 12,288 frames");
        f32::from(n) / self.fps
    }

    /// Everything that happens, in order.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for shot in &self.shots {
            let (start, length) = (self.secs(shot.first), self.secs(shot.frames));
            for (role, motion) in shot.staging.motions.iter().enumerate() {
                let collides = |idx: usize| shot.staging.motions[idx].action == Action::Collide;
                let partner = (0..shot.members.len())
                    .find(|idx| *idx != role && collides(role) && collides(*idx))
                    .map(|idx| shot.members[idx]);
                for (secs, what) in motion.events() {
                    if (0.0..length).contains(&secs) {
                        let partner = partner.filter(|_| what == Happening::Contact);
                        let member = shot.members[role];
                        events.push(Event { secs: start + secs, member, what, partner });
                    }
                }
            }
        }
        events.sort_by(|a, b| a.secs.total_cmp(&b.secs));
        events
    }

    /// What has happened since the frame before, or until the first one.
    pub fn events_between(&self, frame: u32) -> Vec<Event> {
        let until = self.secs(frame);
        let from = if frame == 0 { -1.0 } else { self.secs(frame - 1) };
        self.events().into_iter().filter(|event| from < event.secs && event.secs <= until).collect()
    }

    /// The shot that holds a frame, and the frame's time in it, seconds.
    #[track_caller]
    fn shot_at(&self, frame: u32) -> (&Take, f32) {
        let shot = self.shots.iter().find(|shot| frame < shot.first + shot.frames);
        let shot = shot.unwrap_or_else(|| panic!("frame {frame} of {}", self.n_frames));
        let n = u16::try_from(frame - shot.first).expect("a valid shot has at most 3,072 frames");
        (shot, f32::from(n) / self.fps)
    }
}

impl Take {
    fn new(script: &Script, shot: &Shot, idx: usize, first: u32) -> Self {
        let staging = Staging::new(script, shot);
        let afloat =
            shot.roles.iter().any(|role| script.cast[role.member].subject == Subject::Boat);
        let look = Look {
            place: shot.place,
            light: shot.light,
            ground: shot.ground,
            weather: shot.weather,
            way: staging.way,
            afloat,
        };
        // The same place looks the same in all shots of a script.
        let layout = format!("place/{}", shot.place.name());
        let setting = look.build(&mut Random::new(script.seed, &layout));
        let figures = shot
            .roles
            .iter()
            .zip(&staging.motions)
            .map(|(role, motion)| {
                let seed = script.seed.wrapping_add(idx as u64);
                let held = motion.held.is_some();
                Figure::new(&script.cast[role.member], role, shot.light, held, seed)
            })
            .collect();
        let extras = (0..shot.extras)
            .map(|extra| {
                let name = format!("extra/{idx}/{extra}");
                let random = &mut Random::new(script.seed, &name);
                Extra::new(random, extra, shot, &look)
            })
            .collect();
        let members = shot.roles.iter().map(|role| role.member).collect();
        let spray = Spray::new(&look, script.seed.wrapping_add(idx as u64));
        Self { first, frames: shot.frames, setting, staging, members, figures, extras, spray }
    }
}

impl Passer {
    /// Someone of random looks.
    fn new(random: &mut Random, shot: &Shot) -> Self {
        if shot.crowd == Crowd::People {
            return Self::Person(Pedestrian::new(random));
        }
        let subject = random.pick(&[Subject::Dog, Subject::Cat, Subject::Horse]);
        // Coats of animals, not all colours.
        let coats = [Colour::Brown, Colour::Black, Colour::White, Colour::Grey, Colour::Orange];
        let animal = Figure::passing(subject, random.pick(&coats), shot.light);
        Self::Animal(Box::new(animal), motion::usual_stride(subject, Action::Walk))
    }
}

impl Extra {
    fn new(random: &mut Random, idx: u32, shot: &Shot, look: &Look) -> Self {
        let n = shot.extras;
        let lateral = match (look.place, look.way) {
            // Beside the water, whose edge is beyond the boat or on its left.
            _ if look.afloat => random.range(5.5, 6.2),
            (Place::NeonStreet, _) => random.range(2.75, 3.6),
            (_, Way::Across) => random.range(2.0, 3.0),
            (_, Way::Along) => random.range(1.5, 2.1),
        };
        let opposite = look.way == Way::Along && (look.afloat || random.chance(0.5));
        let forward = if random.chance(0.5) { 1.0 } else { -1.0 };
        let order = |n: u32| f32::from(u8::try_from(n).expect("at most 6 pedestrians"));
        Self {
            figure: Passer::new(random, shot),
            lateral: if opposite { -lateral } else { lateral },
            start: (order(idx) + random.range(0.1, 0.9)) / order(n),
            velocity: forward * random.range(0.5, 0.85),
        }
    }

    /// Its state at a time of the shot, when the camera is at `around`.
    fn at(&self, secs: f32, around: Vec3, way: Way) -> Moment {
        let (along, lateral, middle) = match way {
            Way::Across => (Vec3::X, Vec3::NEG_Z, around.x),
            // Ahead of the camera; nobody walks into it.
            Way::Along => (Vec3::NEG_Z, Vec3::X, 0.5 * WALKED - around.z + 1.5),
        };
        let gone = self.velocity * secs;
        // Those who leave the stretch come back at its other end, out of the picture or far away.
        let s = middle + WALKED * (fract(self.start + (gone - middle) / WALKED) - 0.5);
        let heading = along * self.velocity.signum();
        Moment {
            distance: gone.abs(),
            stride: PEDESTRIAN_STRIDE,
            ..Moment::walking(
                along * s + lateral * self.lateral,
                along * self.velocity,
                glam::Vec2::new(heading.z, heading.x).to_angle(),
                secs,
            )
        }
    }
}

#[cfg(test)]
mod tests;
