//! Staging: where each member of the cast stands and moves, and a camera that keeps the main subject big and in frame.

use std::f32::consts::{FRAC_PI_2, PI};

use glam::{Vec2, Vec3};

use super::motion::{JUMP_HEIGHT, Motion, heading, usual_speed, usual_stride};
use crate::figures::Extent;
use crate::places::Way;
use crate::render::View;
use crate::script::{Member, Role, Script, Shot};
use crate::vocabulary::{Action, CameraMove, Facing, Framing, Kind, Lane, Place, Size};

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
        let secs = f32::from(frames.max(2) - 1) / f32::from(fps);
        let picture = Picture::of(script, shot);
        let way = if is_sideways(main.facing) || shot.place == Place::Tabletop {
            Way::Across
        } else {
            Way::Along
        };
        let stage = match (shot.place, way) {
            (Place::NeonStreet, Way::Across) => Vec3::new(0.0, 0.0, -1.0),
            (Place::NeonStreet, Way::Along) => Vec3::new(0.75, 0.0, 0.0),
            (Place::Park | Place::Tabletop, _) => Vec3::ZERO,
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
            if !is_sideways(role.facing) && !follows {
                // The way away from the camera is the longer part: there is more to see.
                motion.middle.z -= 0.24 * motion.velocity * secs;
            }
            motions.push(motion);
        }
        let rise = rise(main.action);
        let height = Extent::of(member).height;
        let target = stage + Vec3::Y * (0.5 * (height + rise) - 0.01 * picture.height);
        let camera = Camera {
            move_: shot.camera,
            target,
            distance: picture.distance,
            pan: (share * room).min(0.30 * picture.width),
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
        }
        let eye = target + Vec3::new(0.0, SLOPE * distance, distance);
        let around = target * Vec3::new(1.0, 0.0, 1.0);
        target.x += sideways;
        (View { eye, target, up: Vec3::Y, fov_y: FOV_Y }, around)
    }
}

impl Picture {
    fn of(script: &Script, shot: &Shot) -> Self {
        let main = &shot.roles[0];
        let member = &script.cast[main.member];
        let aspect = side(script.width) / side(script.height);
        let extent = Extent::of(member);
        // A small thing fills less of the frame than a large one.
        let usual = Extent::of(&Member { size: Size::Medium, ..member.clone() });
        let thing = member.subject.kind() == Kind::Thing;
        let (share, most) = match (shot.framing, thing) {
            (Framing::Wide, _) => (0.50, 0.74),
            (Framing::Medium, false) => (0.76, 0.88),
            (Framing::Medium, true) => (0.64, 0.88),
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
        };
        let mut height = (usual.height / share)
            .max((extent.height + rise(main.action)) / most)
            .max(width / (wide_share * aspect));
        if let Some(second) = shot.roles.get(1) {
            let both = width + screen_width(&script.cast[second.member], second) + 0.2;
            // Room for both, but the main subject stays big.
            height = (1.10 * height).max(0.85 * both / aspect).min(1.35 * height);
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
        (_, Kind::Person | Kind::Animal) if !travels && is_sideways(role.facing) => {
            -0.5 * turn.signum()
        }
        _ => 0.0,
    };
    Motion {
        action: role.action,
        middle,
        middle_secs: 0.5 * secs,
        heading: heading(role.facing),
        yaw: turn + aside,
        velocity,
        rate: if travels { 1.0 } else { role.speed },
        stride: usual_stride(member.subject, role.action) * pace,
        drop: if role.action == Action::Bounce { DROP.0 } else { DROP.1 },
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
    Vec3::new(x, 0.0, -BEHIND * order)
}

/// Width of a member of the cast as the camera sees it, units.
fn screen_width(member: &Member, role: &Role) -> f32 {
    let extent = Extent::of(member);
    let width = if is_sideways(role.facing) { extent.length } else { extent.width };
    match role.action {
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
fn rise(action: Action) -> f32 {
    match action {
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
