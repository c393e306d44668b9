//! Staging: where each member of the cast stands and moves, and a camera that keeps the main subject big and in frame.

use std::f32::consts::{FRAC_PI_2, PI};

use glam::{Vec2, Vec3};

use super::motion::{Act, JUMP_HEIGHT, Motion, heading, sine, usual_speed, usual_stride};
use super::physics::{COLLISION_RESTITUTION, DRAG, collide, mass};
use crate::figures::{Extent, HELD, glass, person, thing};
use crate::places::Way;
use crate::render::View;
use crate::script::{Member, Role, Script, Shot};
use crate::vocabulary::{
    Action, Angle, CameraMove, Facing, Framing, Kind, Lane, Mix, Place, Relation, Size, Subject,
    Term,
};

/// Angle from the lower to the upper edge of the picture, radians.
const FOV_Y: f32 = 0.61;
/// How far the camera looks down: height above its target per distance.
const SLOPE: f32 = 0.10;
/// Distances of a dolly at its far and near end, relative to the shot's distance.
const DOLLY: (f32, f32) = (1.30, 0.93);
/// Height from which a ball falls, and a box, units.
const DROP: (f32, f32) = (0.95, 0.65);
/// How far behind the main subject each further member of the cast stands, units.
const BEHIND: f32 = 0.75;
/// Part of half the frame that the main subject stays within.
const SAFE: f32 = 0.95;
/// How far the camera looks down from a low and from a high angle.
const SLOPES: (f32, f32) = (-0.10, 0.52);
/// Lowest that a camera may be, units.
const LOWEST: f32 = 0.16;
/// Half of the way round that an orbit takes, radians: before a row of things, and between two.
const ORBIT: (f32, f32) = (0.62, 0.26);
/// How far a crane goes, from below to above the usual slope.
const CRANE: (f32, f32) = (-0.06, 0.55);
/// Sway of a camera in the hand, parts of the picture's height.
const SHAKE: f32 = 0.012;
/// Height of flight, units.
const FLIGHT: f32 = 0.95;
/// Height of a balloon's basket above the ground, units.
const ALOFT: f32 = 0.45;
/// Farthest way towards or away from the camera on a table, units.
const TABLE_DEPTH: f32 = 2.2;

/// A shot's motions and camera.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    /// One for each role.
    pub(crate) motions: Vec<Motion>,
    /// The way through the place.
    pub(crate) way: Way,
    camera: Camera,
}

#[derive(Clone, Copy, Debug)]
struct Camera {
    move_: CameraMove,
    /// What the camera looks at in the middle of the shot.
    target: Vec3,
    distance: f32,
    /// How far it looks down: height above its target per distance.
    slope: f32,
    /// Sideways way of the target during half a pan, units.
    pan: f32,
    /// Length of the shot, seconds.
    secs: f32,
}

/// What the picture shows at the main subject's distance.
struct Picture {
    /// Height, units.
    height: f32,
    /// Width at the nearest point of the camera's way, units.
    width: f32,
    /// Distance of the camera, units.
    distance: f32,
}

impl Staging {
    /// Plans a shot.
    pub(crate) fn new(script: &Script, shot: &Shot) -> Self {
        let main = &shot.roles[0];
        let member = &script.cast[main.member];
        let frames = u16::try_from(shot.frames).expect("a valid shot has at most 3,072 frames");
        let fps = u8::try_from(script.fps).expect("a valid frame rate is 12 or 24");
        // At 24 frames a second every other frame is that of 12, so a shot's last frame of these ends its movements.
        let secs = if fps == 24 {
            f32::from((frames / 2).max(2) - 1) / 12.0
        } else {
            f32::from(frames.max(2) - 1) / f32::from(fps)
        };
        let picture = Picture::of(script, shot);
        let way = if is_sideways(main.facing) || shot.place == Place::Tabletop {
            Way::Across
        } else {
            Way::Along
        };
        let stage = match (shot.place, way) {
            (Place::NeonStreet, Way::Across) => Vec3::new(0.0, 0.0, -1.0),
            (Place::NeonStreet, Way::Along) => Vec3::new(0.75, 0.0, 0.0),
            _ => Vec3::ZERO,
        };
        let width = screen_width(member, main);
        let free = |offset: f32| (SAFE * 0.5 * picture.width - 0.5 * width - offset).max(0.0);
        let offset = lane(main.lane) * (0.30 * picture.width).min(free(0.0));
        let room = free(offset.abs());
        let pans = matches!(shot.camera, CameraMove::PanLeft | CameraMove::PanRight);
        let moves_sideways = main.action.travels() && is_sideways(main.facing);
        let share = if pans && moves_sideways { 0.5 } else { 1.0 };
        let follows = shot.camera == CameraMove::Follow;
        // How far the main subject may travel in the shot, units.
        let reach = match (follows, is_sideways(main.facing)) {
            (true, false) if shot.place == Place::Tabletop => TABLE_DEPTH,
            (true, _) => f32::INFINITY,
            (false, true) => 2.0 * share * room,
            (false, false) => (0.38 * picture.distance).min(TABLE_DEPTH),
        };
        let mut motions = Vec::with_capacity(shot.roles.len());
        for (idx, role) in shot.roles.iter().enumerate() {
            let member = &script.cast[role.member];
            let mut middle = stage;
            if idx == 0 {
                middle.x += offset;
            } else {
                middle += place_beside(script, shot, idx, picture.width, offset);
            }
            let mut motion = motion(member, role, middle, secs, reach);
            if matches!(role.relation, Relation::Follows | Relation::Chases) {
                motion.velocity = motions.first().map_or(motion.velocity, |m: &Motion| m.velocity);
            }
            if !is_sideways(role.facing) && !follows {
                // The way away from the camera is the longer part: there is more to see.
                motion.middle.z -= 0.24 * motion.velocity * secs;
            }
            motions.push(motion);
        }
        relate(script, shot, &mut motions, picture.width, secs);
        let rise = rise(member.subject, main.action);
        let height = Extent::acting(member, main.action).height;
        let mut target = stage + Vec3::Y * (0.5 * (height + rise) - 0.01 * picture.height);
        target.y += match main.action {
            Action::Fly => FLIGHT - 0.2,
            Action::Float => ALOFT,
            _ => 0.0,
        };
        if let Some(face) = face_height(member.subject, main.action, shot.framing) {
            // The face of one who stays aside is in the middle, too.
            target.y = face + 0.5 * rise;
        }
        let slope = match shot.angle {
            Angle::EyeLevel => SLOPE,
            Angle::Low => SLOPES.0.max((LOWEST - target.y) / picture.distance),
            Angle::High => SLOPES.1,
        };
        // Two that collide need the width themselves.
        let most_pan = if main.action == Action::Collide { 0.10 } else { 0.30 };
        let camera = Camera {
            move_: shot.camera,
            target,
            distance: picture.distance,
            slope,
            pan: (share * room).min(most_pan * picture.width),
            secs,
        };
        Self { motions, way, camera }
    }

    /// The camera at a time of the shot, and the point of the place that it is at.
    pub(crate) fn view(&self, secs: f32) -> (View, Vec3) {
        let camera = &self.camera;
        let part = (secs / camera.secs).clamp(0.0, 1.0);
        let (mut target, mut distance) = (camera.target, camera.distance);
        let mut sideways = 0.0;
        let mut slope = camera.slope;
        let mut turn = 0.0;
        let (far, near) = DOLLY;
        match camera.move_ {
            CameraMove::Static => {}
            CameraMove::PanLeft => sideways = camera.pan * (1.0 - 2.0 * part),
            CameraMove::PanRight => sideways = camera.pan * (2.0 * part - 1.0),
            CameraMove::DollyIn => distance *= far + (near - far) * part,
            CameraMove::DollyOut => distance *= near + (far - near) * part,
            CameraMove::Follow => {
                let main = &self.motions[0];
                target += main.heading * (main.velocity * (secs - main.middle_secs));
            }
            CameraMove::Orbit => {
                // What lines both sides of a way must not come between.
                let room = if self.way == Way::Along { ORBIT.1 } else { ORBIT.0 };
                turn = room * (2.0 * part - 1.0);
            }
            CameraMove::CraneUp => {
                let low = CRANE.0.max((LOWEST - target.y) / distance);
                slope += low + (CRANE.1 - low) * part;
            }
            CameraMove::Handheld => {}
        }
        let mut back = Vec3::new(0.0, slope * distance, distance);
        if turn != 0.0 {
            let round = Vec2::from_angle(turn) * distance;
            back = Vec3::new(round.y, back.y, round.x);
        }
        let mut eye = target + back;
        let around = target * Vec3::new(1.0, 0.0, 1.0);
        target.x += sideways;
        if camera.move_ == CameraMove::Handheld {
            let sway = |hz: f32, phase: f32| {
                distance * SHAKE * (sine(hz * secs + phase) + 0.5 * sine(2.3 * hz * secs + 0.4))
            };
            eye += Vec3::new(1.4 * sway(0.37, 0.0), sway(0.53, 0.3), 0.0);
            target += Vec3::new(sway(0.61, 0.7), 0.9 * sway(0.83, 0.1), 0.0);
            eye.y = eye.y.max(LOWEST);
        }
        (View { eye, target, up: Vec3::Y, fov_y: FOV_Y }, around)
    }
}

impl Picture {
    fn of(script: &Script, shot: &Shot) -> Self {
        let main = &shot.roles[0];
        let member = &script.cast[main.member];
        let aspect = side(script.width) / side(script.height);
        let extent = Extent::acting(member, main.action);
        // A small thing fills less of the frame than a large one.
        let medium = Member { size: Size::Medium, ..member.clone() };
        let usual = Extent::acting(&medium, main.action);
        let thing = member.subject.kind() == Kind::Thing;
        let (share, most) = match (shot.framing, thing) {
            (Framing::Wide, _) => (0.50, 0.74),
            (Framing::Medium, false) => (0.76, 0.88),
            (Framing::Medium, true) => (0.64, 0.88),
            (Framing::CloseUp, _) => (0.92, 0.94),
        };
        let moves_in_depth = main.action.travels() && !is_sideways(main.facing);
        let nears = moves_in_depth && shot.camera != CameraMove::Follow;
        let most = if nears { 0.79 * most } else { most };
        let width = screen_width(member, main);
        let moves = match shot.camera {
            CameraMove::PanLeft | CameraMove::PanRight => true,
            CameraMove::Follow => false,
            _ => main.action.travels() && is_sideways(main.facing),
        };
        let wide_share = match (shot.framing, moves) {
            (Framing::Wide, true) => 0.44,
            (Framing::Wide, false) => 0.58,
            (Framing::Medium, true) => 0.54,
            (Framing::Medium, false) => 0.74,
            (Framing::CloseUp, true) => 0.70,
            (Framing::CloseUp, false) => 0.90,
        };
        let mut height = (usual.height / share)
            .max((extent.height + rise(member.subject, main.action)) / most)
            .max(width / (wide_share * aspect));
        if let Some(second) = shot.roles.get(1) {
            let both = width + screen_width(&script.cast[second.member], second) + 0.2;
            // Room for both, but the main subject stays big.
            height = (1.10 * height).max(0.85 * both / aspect).min(1.35 * height);
        }
        if face_height(member.subject, main.action, shot.framing).is_some() {
            // Head and shoulders.
            let size = if member.subject == Subject::Child { 0.80 } else { 1.0 };
            height = (size * 1.02 + rise(member.subject, main.action)).max(0.86 * size / aspect);
        }
        let half = Vec2::from_angle(0.5 * FOV_Y);
        // From the front of the subject, which is nearer than its middle.
        let depth = if is_sideways(main.facing) { extent.width } else { extent.length };
        let distance = 0.5 * height * half.x / half.y + 0.4 * depth;
        let near = match shot.camera {
            CameraMove::DollyIn | CameraMove::DollyOut => DOLLY.1,
            _ => 1.0,
        };
        // What is nearer to the camera than the subject's middle has less room.
        let front = 1.0 - 0.5 * depth / (near * distance);
        Self { height, width: height * aspect * near * front, distance }
    }
}

/// How a member of the cast moves, at most `reach` units in the `secs` of the shot.
fn motion(member: &Member, role: &Role, middle: Vec3, secs: f32, reach: f32) -> Motion {
    let usual = usual_speed(member.subject, role.action);
    let travels = role.action.travels();
    let velocity = if travels { (usual * role.speed).min(reach / secs) } else { 0.0 };
    // Slow walkers take short steps, fast ones long steps.
    let pace = if travels { (velocity / usual).sqrt().clamp(0.4, 1.3) } else { 1.0 };
    let turn = match role.facing {
        Facing::Toward => 0.0,
        Facing::Away => PI,
        Facing::Left => -FRAC_PI_2,
        Facing::Right => FRAC_PI_2,
    };
    // Those who stay show a little more of their face; a box shows two of its sides.
    let aside = match (role.action, member.subject.kind()) {
        (Action::Slide | Action::Fall, _) => 0.45,
        (Action::Land, _) => 0.0,
        (_, Kind::Person | Kind::Animal) if !travels && is_sideways(role.facing) => {
            -0.5 * turn.signum()
        }
        _ => 0.0,
    };
    let side = thing::BLOCK * thing::scale(member.size);
    let act = match role.action {
        Action::Topple => Act::Stack(side),
        Action::Fly => Act::Flight(FLIGHT),
        Action::Float => Act::Flight(ALOFT),
        Action::Land => Act::Landing { height: 1.25, secs: 0.62 * secs.max(0.5) },
        _ => Act::Plain,
    };
    // A glass, a stack: what happens leads away from where it stands.
    let ahead = match (member.subject, role.action) {
        (Subject::Glass, Action::Fall) => 0.45,
        (Subject::Glass, Action::Shatter) => 0.60,
        (_, Action::Topple) => 1.7 * side,
        _ => 0.0,
    };
    Motion {
        action: role.action,
        middle: middle - heading(role.facing) * ahead,
        middle_secs: 0.5 * secs,
        heading: heading(role.facing),
        yaw: turn + aside,
        velocity,
        rate: if travels { 1.0 } else { role.speed },
        stride: usual_stride(member.subject, role.action) * pace,
        drop: match (member.subject, role.action) {
            // It falls from a stool, see `Motion::at`.
            (Subject::Glass, _) => -1.0,
            (_, Action::Bounce) => DROP.0,
            _ => DROP.1,
        },
        act,
        held: None,
        holds: false,
    }
}

/// Where a further member of the cast stands, from the stage: beside the main one and a little behind.
fn place_beside(script: &Script, shot: &Shot, idx: usize, width: f32, main_offset: f32) -> Vec3 {
    let role = &shot.roles[idx];
    let own = screen_width(&script.cast[role.member], role);
    let main = screen_width(&script.cast[shot.roles[0].member], &shot.roles[0]);
    let apart = 0.5 * (own + main) + 0.12;
    let order = f32::from(u8::try_from(idx).expect("a cast has at most 6 members"));
    let side = match lane(role.lane) - lane(shot.roles[0].lane) {
        same if same.abs() < 0.5 => {
            if idx % 2 == 1 {
                1.0
            } else {
                -1.0
            }
        }
        side => side.signum(),
    };
    let edge = (0.5 * width - 0.45 * own - side * main_offset).max(0.6 * apart);
    let x = main_offset + side * apart.max(0.30 * width).min(edge) * (1.0 + 0.15 * (order - 1.0));
    let place = Vec3::new(x, 0.0, -BEHIND * order);
    let (member, main_member) = (&script.cast[role.member], &script.cast[shot.roles[0].member]);
    let first = member.subject.is_in(Mix::First) && main_member.subject.is_in(Mix::First);
    let depths = [(member, role), (main_member, &shot.roles[0])].map(|(member, role)| {
        let extent = Extent::acting(member, role.action);
        if is_sideways(role.facing) { extent.width } else { extent.length }
    });
    let apart_in_depth = 0.5 * (depths[0] + depths[1]) + 0.15;
    match role.relation {
        Relation::Behind => Vec3::new(0.5 * x + 0.5 * main_offset, 0.0, -1.25 * apart_in_depth),
        // The large ones of the whole vocabulary need more room than those that the first models saw.
        _ if !first => place.with_z(-(BEHIND * order).max(apart_in_depth * order)),
        _ => place,
    }
}

/// Moves those who stand in a relation to where it puts them.
fn relate(script: &Script, shot: &Shot, motions: &mut [Motion], width: f32, secs: f32) {
    let index_of = |member: usize| shot.roles.iter().position(|role| role.member == member);
    let extent = |idx: usize| {
        let role = &shot.roles[idx];
        Extent::acting(&script.cast[role.member], role.action)
    };
    for (idx, role) in shot.roles.iter().enumerate() {
        let Some(other) = role.partner.and_then(index_of) else { continue };
        let along = 0.5 * (extent(idx).length + extent(other).length);
        match role.relation {
            Relation::Follows | Relation::Chases => {
                let (first, last) = if other == 0 { (other, idx) } else { (idx, other) };
                let way = if other == 0 { -1.0 } else { 1.0 };
                let near = if role.relation == Relation::Chases { 0.18 } else { 0.45 };
                let aside = if is_sideways(role.facing) { 0.0 } else { 0.55 };
                let place = motions[first].middle
                    + motions[first].heading * (way * (along + near))
                    + Vec3::new(aside, 0.0, 0.0);
                motions[last].middle = place;
                motions[last].velocity = motions[first].velocity;
            }
            Relation::Meets if role.action == Action::Collide => {
                collision(script, shot, motions, [other, idx], width, secs);
            }
            Relation::Meets if is_sideways(role.facing) => {
                // They pass each other, the second one behind.
                let (main, second) = if other == 0 { (other, idx) } else { (idx, other) };
                let apart = if motions[main].velocity > 0.0 { 0.35 } else { 1.0 };
                let gap = motions[main].heading * (apart * (along + 0.3));
                let depth = motions[second].middle.z;
                motions[second].middle = motions[main].middle + gap;
                motions[second].middle.z = if motions[main].velocity > 0.0 { depth } else { 0.0 }
                    .min(motions[main].middle.z);
                motions[second].velocity =
                    motions[second].velocity.min(motions[main].velocity.max(0.4));
            }
            Relation::Holds => {
                let held = Extent::of(&script.cast[shot.roles[other].member]);
                let scale = if script.cast[role.member].subject == Subject::Child {
                    person::CHILD
                } else {
                    1.0
                };
                let size = if script.cast[shot.roles[other].member].subject == Subject::Glass {
                    Vec3::new(glass::WIDTH, glass::HEIGHT, glass::WIDTH)
                } else {
                    Vec3::new(held.width, held.height, held.length)
                } * HELD;
                let front = 0.34 * scale + 0.42 * size.z;
                let mut motion = motions[idx];
                motion.held = Some(Vec3::new(0.0, 0.74 * scale - 0.5 * size.y, front));
                motions[idx].holds = true;
                motions[other] = motion;
            }
            Relation::Alone | Relation::Beside | Relation::Behind | Relation::Meets => {}
        }
    }
}

/// Lets the first of two run into the second, which rests.
fn collision(
    script: &Script,
    shot: &Shot,
    motions: &mut [Motion],
    [first, second]: [usize; 2],
    width: f32,
    secs: f32,
) {
    let (role, other) = (&shot.roles[first], &shot.roles[second]);
    let members = [role, other].map(|role| &script.cast[role.member]);
    let lengths = members.map(|member| Extent::of(member).length);
    let contact = 0.38 * secs;
    let room = if is_sideways(role.facing) { 0.30 * width } else { TABLE_DEPTH };
    let before = (usual_speed(members[0].subject, Action::Collide) * role.speed)
        .min(room / contact.max(0.1));
    let speeds = collide(members.map(mass), [before, 0.0], COLLISION_RESTITUTION);
    let way = heading(role.facing);
    let at = motions[first].middle * Vec3::new(0.0, 1.0, 1.0);
    for (i, idx) in [first, second].into_iter().enumerate() {
        let sign = if i == 0 { -1.0 } else { 1.0 };
        let drag = if members[i].subject == Subject::Ball { DRAG.0 } else { DRAG.1 };
        let motion = &mut motions[idx];
        motion.heading = way;
        motion.yaw =
            if is_sideways(role.facing) { FRAC_PI_2 * way.x } else { (1.0 - way.z) * FRAC_PI_2 };
        motion.velocity = 0.0;
        motion.rate = 1.0;
        motion.middle = at + way * (sign * 0.5 * lengths[i]);
        let before = if i == 0 { before } else { 0.0 };
        motion.act = Act::Impact { secs: contact, before, after: speeds[i], drag };
    }
}

/// Height of the middle of the face in a close-up of a person; nothing for all else.
fn face_height(subject: Subject, action: Action, framing: Framing) -> Option<f32> {
    if framing != Framing::CloseUp || subject.kind() != Kind::Person {
        return None;
    }
    let size = if subject == Subject::Child { person::CHILD } else { 1.0 };
    let sits = if action == Action::Sit { 0.33 } else { 0.0 };
    Some((person::FACE_Y - 0.05 - sits) * size)
}

/// Width of a member of the cast as the camera sees it, units.
fn screen_width(member: &Member, role: &Role) -> f32 {
    let extent = Extent::acting(member, role.action);
    let width = if is_sideways(role.facing) { extent.length } else { extent.width };
    match role.action {
        Action::Swing => extent.width,
        Action::Dance => width + 0.45,
        Action::Topple | Action::Shatter => width,
        Action::Fall if member.subject == Subject::Glass => width,
        Action::Fly | Action::Land => width.max(1.1),
        // The swing of arms and legs.
        Action::Walk | Action::Run if member.subject.kind() == Kind::Person => width.max(0.85),
        Action::Wave => width + 0.35,
        Action::Jump => width + 0.25,
        // Seen over a corner.
        Action::Slide | Action::Fall => 1.32 * width,
        _ => width.max(extent.width),
    }
}

/// How far an action leads above the ground, units.
fn rise(subject: Subject, action: Action) -> f32 {
    match action {
        Action::Fall if subject == Subject::Glass => 0.0,
        Action::Fly => 0.40,
        Action::Land => 1.25,
        Action::Float => 0.15,
        Action::Dance => 0.12,
        Action::Jump => JUMP_HEIGHT,
        Action::Bounce => DROP.0,
        // Tilted, a box is higher.
        Action::Fall => DROP.1 + 0.55,
        Action::Wave => 0.06,
        _ => 0.0,
    }
}

const fn is_sideways(facing: Facing) -> bool {
    matches!(facing, Facing::Left | Facing::Right)
}

const fn lane(lane: Lane) -> f32 {
    match lane {
        Lane::Left => -1.0,
        Lane::Centre => 0.0,
        Lane::Right => 1.0,
    }
}

fn side(side_px: u32) -> f32 {
    f32::from(u16::try_from(side_px).expect("a valid side has at most 2,048 pixels"))
}
