//! What the cast looks like: each subject as coloured meshes on bones, posed from an instant of its motion.

mod car;
mod dog;
pub(crate) mod gait;
pub(crate) mod model;
pub(crate) mod palette;
pub(crate) mod pedestrian;
mod person;
mod thing;

use glam::Vec3;

use self::gait::Step;
use self::palette::linear;
use crate::render::Instance;
use crate::script::Member;
use crate::timeline::motion::Moment;
use crate::vocabulary::{Light, Subject};

/// A member of the cast, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) enum Figure {
    /// A woman or a man.
    Person(person::Person),
    /// A dog.
    Dog(dog::Dog),
    /// A car.
    Car(car::Car),
    /// A ball or a box.
    Thing(thing::Thing),
}

/// Room that a subject takes, units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// From the ground to the top.
    pub(crate) height: f32,
    /// From one side to the other, seen from the front.
    pub(crate) width: f32,
    /// From the front to the back.
    pub(crate) length: f32,
}

impl Extent {
    /// The room that a member of the cast takes.
    pub(crate) fn of(member: &Member) -> Self {
        let (height, width, length) = match member.subject {
            Subject::Woman => (person::HEIGHT, 0.74, 0.62),
            Subject::Man => (person::HEIGHT, 0.84, 0.66),
            Subject::Dog => (dog::HEIGHT, 0.62, dog::LENGTH),
            Subject::Car => (car::HEIGHT, car::WIDTH, car::LENGTH),
            Subject::Ball | Subject::Box => {
                let side = thing::HEIGHT * thing::scale(member.size);
                (side, side, side)
            }
        };
        Self { height, width, length }
    }
}

impl Figure {
    /// Builds a member of the cast as it looks in this light.
    pub(crate) fn new(member: &Member, light: Light) -> Self {
        let colour = linear(member.colour);
        match member.subject {
            Subject::Woman | Subject::Man => {
                let outfit = member.outfit.as_ref().expect("a valid person wears an outfit");
                Self::Person(person::Person::new(member.subject, outfit))
            }
            Subject::Dog => Self::Dog(dog::Dog::new(colour)),
            Subject::Car => Self::Car(car::Car::new(colour, light == Light::Night)),
            Subject::Ball => Self::Thing(thing::Thing::ball(colour, member.material, member.size)),
            Subject::Box => Self::Thing(thing::Thing::cube(colour, member.material, member.size)),
        }
    }

    /// Adds the figure's instances at an instant.
    pub(crate) fn instances(&self, moment: &Moment, entity: u8, to: &mut Vec<Instance>) {
        match self {
            Self::Person(person) => person.model().instances(&person.bones(moment), entity, to),
            Self::Dog(dog) => dog.model().instances(&dog.bones(moment), entity, to),
            Self::Car(car) => car.model().instances(&car.bones(moment), entity, to),
            Self::Thing(thing) => thing.model().instances(&thing.bones(moment), entity, to),
        }
    }

    /// The feet at an instant: each with its place on or above the ground, units; none without legs.
    pub(crate) fn feet(&self, moment: &Moment) -> Vec<(Step, Vec3)> {
        let root = model::turned(0.0, moment.yaw, 0.0, moment.position);
        let place = |step: Step, rest: Vec3| {
            (step, root.transform_point3(rest + Vec3::new(0.0, step.height, step.forward)))
        };
        match self {
            Self::Person(person) => {
                person.steps(moment).iter().map(|step| place(*step, Vec3::ZERO)).collect()
            }
            Self::Dog(dog) => {
                let steps = dog.steps(moment);
                (0..4).map(|leg| place(steps[leg], dog::Dog::rest(leg))).collect()
            }
            Self::Car(_) | Self::Thing(_) => Vec::new(),
        }
    }
}
