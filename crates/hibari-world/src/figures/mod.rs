//! What the cast looks like: each subject as coloured meshes on bones, posed from an instant of its motion.

mod balloon;
mod beast;
mod bird;
mod boat;
mod car;
mod dog;
mod face;
pub(crate) mod gait;
pub(crate) mod glass;
pub(crate) mod model;
pub(crate) mod palette;
pub(crate) mod pedestrian;
pub(crate) mod person;
pub(crate) mod thing;

use glam::Vec3;

use self::gait::Step;
use self::palette::linear;
use crate::render::Instance;
use crate::script::{Member, Role};
use crate::timeline::motion::Moment;
use crate::vocabulary::{
    Action, Colour, Expression, Facing, Lane, Light, Material, Relation, Size, Subject,
};

/// Size of a thing that is held, relative to one that is not.
pub(crate) const HELD: f32 = 0.44;

/// A member of the cast, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) enum Figure {
    /// A woman, a man, a child, an astronaut or a robot.
    Person(person::Person),
    /// A dog.
    Dog(dog::Dog),
    /// A cat, a horse or a mammoth.
    Beast(beast::Beast),
    /// A bird.
    Bird(bird::Bird),
    /// A car.
    Car(car::Car),
    /// A boat.
    Boat(boat::Boat),
    /// A hot-air balloon.
    Balloon(balloon::Balloon),
    /// A ball or a box, or several.
    Thing(thing::Thing),
    /// A drinking glass.
    Glass(Box<glass::Glass>),
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
            Subject::Child => (1.06 * person::CHILD * person::HEIGHT, 0.62, 0.52),
            Subject::Astronaut => (1.10 * person::HEIGHT, 1.0, 0.95),
            Subject::Robot => (1.12 * person::HEIGHT, 0.98, 0.70),
            Subject::Dog => (dog::HEIGHT, 0.62, dog::LENGTH),
            Subject::Cat | Subject::Horse | Subject::Mammoth => {
                let build = beast::build_of(member.subject);
                (build.height, build.width, build.length)
            }
            Subject::Bird => (bird::HEIGHT, bird::SPAN, bird::LENGTH),
            Subject::Car => (car::HEIGHT, car::WIDTH, car::LENGTH),
            Subject::Boat => (boat::HEIGHT, boat::WIDTH, boat::LENGTH),
            Subject::Balloon => (balloon::HEIGHT, balloon::WIDTH, balloon::WIDTH),
            Subject::Ball | Subject::Box => {
                let side = thing::HEIGHT * thing::scale(member.size);
                (side, side, side)
            }
            Subject::Glass => {
                let size = thing::scale(member.size);
                (glass::HEIGHT * size, glass::WIDTH * size, glass::WIDTH * size)
            }
        };
        Self { height, width, length }
    }

    /// The room that a member of the cast takes with what belongs to its action: a stool, a rope, a stack.
    pub(crate) fn acting(member: &Member, action: Action) -> Self {
        let own = Self::of(member);
        match (member.subject, action) {
            (Subject::Ball, Action::Swing) => Self {
                height: thing::pivot_height(own.height) + 0.05,
                width: 2.1 + own.width,
                length: own.length,
            },
            (Subject::Box, Action::Topple) => {
                let side = thing::BLOCK * thing::scale(member.size);
                Self { height: 3.0 * side, width: side, length: 6.4 * side }
            }
            (Subject::Glass, Action::Fall) => Self {
                height: own.height + glass::STOOLS.0,
                width: 0.84_f32.max(own.width),
                length: 2.2,
            },
            (Subject::Glass, Action::Shatter) => Self {
                height: own.height + glass::STOOLS.1,
                width: 0.84_f32.max(own.width),
                length: 2.9,
            },
            _ => own,
        }
    }
}

impl Figure {
    /// Builds a member of the cast as it looks in this role and light; `seed` seeds how a glass breaks.
    pub(crate) fn new(
        member: &Member,
        role: &Role,
        light: Light,
        is_held: bool,
        seed: u64,
    ) -> Self {
        let colour = linear(member.colour);
        let night = light == Light::Night;
        let held = if is_held { HELD } else { 1.0 };
        let Member { subject, material, size, .. } = *member;
        match subject {
            Subject::Woman | Subject::Man | Subject::Child => {
                let outfit = member.outfit.as_ref().expect("a valid person wears an outfit");
                Self::Person(person::Person::new(subject, outfit, role.expression))
            }
            Subject::Astronaut => Self::Person(person::Person::astronaut(colour, role.expression)),
            Subject::Robot => {
                Self::Person(person::Person::robot(colour, Material::Matte, role.expression))
            }
            Subject::Dog => Self::Dog(dog::Dog::new(colour)),
            Subject::Cat | Subject::Horse | Subject::Mammoth => {
                Self::Beast(beast::Beast::new(subject, colour))
            }
            Subject::Bird => Self::Bird(bird::Bird::new(colour)),
            Subject::Car => Self::Car(car::Car::new(colour, night)),
            Subject::Boat => Self::Boat(boat::Boat::new(colour, night)),
            Subject::Balloon => Self::Balloon(balloon::Balloon::new(colour, night)),
            Subject::Ball if role.action == Action::Swing => {
                Self::Thing(thing::Thing::pendulum(colour, material, size))
            }
            Subject::Ball => Self::Thing(thing::Thing::ball(colour, material, size, held)),
            Subject::Box if role.action == Action::Topple => {
                Self::Thing(thing::Thing::stack(colour, material, size))
            }
            Subject::Box => Self::Thing(thing::Thing::cube(colour, material, size, held)),
            Subject::Glass => Self::Glass(Box::new(glass::Glass::new(colour, member, seed, held))),
        }
    }

    /// An animal of the background.
    pub(crate) fn passing(subject: Subject, colour: Colour, light: Light) -> Self {
        let member =
            Member { subject, colour, outfit: None, material: Material::Matte, size: Size::Medium };
        let role = Role {
            member: 0,
            action: Action::Walk,
            expression: Expression::Calm,
            relation: Relation::Alone,
            partner: None,
            facing: Facing::Left,
            lane: Lane::Centre,
            speed: 1.0,
        };
        Self::new(&member, &role, light, false, 0)
    }

    /// Adds the figure's instances at an instant.
    pub(crate) fn instances(&self, moment: &Moment, entity: u8, to: &mut Vec<Instance>) {
        match self {
            Self::Person(person) => person.model().instances(&person.bones(moment), entity, to),
            Self::Dog(dog) => dog.model().instances(&dog.bones(moment), entity, to),
            Self::Beast(beast) => beast.model().instances(&beast.bones(moment), entity, to),
            Self::Bird(bird) => bird.model().instances(&bird.bones(moment), entity, to),
            Self::Car(car) => car.model().instances(&car.bones(moment), entity, to),
            Self::Boat(boat) => boat.model().instances(&boat.bones(moment), entity, to),
            Self::Balloon(balloon) => balloon.model().instances(&balloon.bones(moment), entity, to),
            Self::Thing(thing) => thing.instances(moment, entity, to),
            Self::Glass(glass) => glass.instances(moment, entity, to),
        }
    }

    /// Where wheels or a bow throw up what they move through, in its own frame, and which share of its speed that keeps;
    /// nothing for those without.
    pub(crate) const fn churns(&self) -> Option<([Vec3; 2], f32)> {
        match self {
            Self::Car(_) => Some((car::BEHIND_WHEELS, 0.25)),
            Self::Boat(_) => Some((boat::BOW, 0.9)),
            _ => None,
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
            Self::Beast(beast) => {
                let steps = beast.steps(moment);
                (0..4).map(|leg| place(steps[leg], beast.rest(leg))).collect()
            }
            Self::Bird(_)
            | Self::Car(_)
            | Self::Boat(_)
            | Self::Balloon(_)
            | Self::Thing(_)
            | Self::Glass(_) => Vec::new(),
        }
    }
}
