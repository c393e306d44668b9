//! Motions against closed forms, feet that stand, and the main subject in the frame.

use glam::{Mat4, Vec3};

use super::motion::{GRAVITY, RESTITUTION, bounce};
use super::*;
use crate::sample::{ClipForm, Split};
use crate::vocabulary::{CameraMove, Kind, Mix, Weather};

fn sample(seed: u64, width: u32, height: u32) -> Script {
    Script::sample(seed, Split::Train, ClipForm { width, height, fps: 12, frames: 36 })
}

#[test]
fn a_bouncing_ball_falls_freely_between_its_bounces() {
    // The closed form against small steps of time.
    let (drop, step) = (1.1_f32, 1e-4_f32);
    let (mut height, mut speed) = (f64::from(drop), 0.0_f64);
    for n in 0..30_000_u16 {
        let secs = f32::from(n) * step;
        let (expected, _) = bounce(drop, RESTITUTION, secs);
        assert!(
            (f64::from(expected) - height).abs() < 0.005,
            "at {secs} s: {expected}, in small steps {height}"
        );
        let (g, dt) = (f64::from(GRAVITY), f64::from(step));
        height += speed * dt - 0.5 * g * dt * dt;
        speed -= g * dt;
        if height < 0.0 {
            height = -height * f64::from(RESTITUTION);
            speed = -speed * f64::from(RESTITUTION);
        }
    }
    assert_eq!(bounce(drop, RESTITUTION, 60.0), (0.0, 0.0), "a ball comes to rest");
}

/// Feet that stand in two frames in a row stand in the same place.
fn check_feet(draw: impl Fn(u64) -> Script) {
    let mut n_stands = 0;
    for seed in 0..150 {
        let timeline = Timeline::new(&draw(seed));
        for frame in 1..timeline.n_frames() {
            for (before, after) in timeline.state(frame - 1).iter().zip(timeline.state(frame)) {
                if !matches!(after.action, Action::Walk | Action::Run) {
                    continue;
                }
                for (from, to) in before.contacts.iter().zip(&after.contacts) {
                    if let (Some(from), Some(to)) = (from, to) {
                        let way = from.distance(*to);
                        // A foot that was lifted in between has come a whole step forward.
                        assert!(!(0.02..=0.25).contains(&way), "seed {seed}, frame {frame}: {way}");
                        n_stands += usize::from(way < 0.02);
                    }
                }
            }
        }
    }
    assert!(n_stands > 1_000, "only {n_stands} feet stood");
}

#[test]
fn standing_feet_do_not_slide() {
    check_feet(|seed| sample(seed, 256, 144));
}

#[test]
fn feet_of_the_whole_vocabulary_do_not_slide() {
    let walkers = [Subject::Child, Subject::Robot, Subject::Cat, Subject::Horse, Subject::Mammoth];
    check_feet(|seed| {
        let mut script = sample_whole(seed, 36);
        let n = usize::try_from(seed).expect("a small number");
        let role = &mut script.shots[0].roles[0];
        script.cast.truncate(1);
        script.cast[0].subject = walkers[n % walkers.len()];
        script.cast[0].material = crate::vocabulary::Material::Matte;
        script.cast[0].outfit = person_outfit(script.cast[0].subject);
        (role.action, role.relation, role.partner) = (
            if n % 2 == 0 { Action::Walk } else { Action::Run },
            crate::vocabulary::Relation::Alone,
            None,
        );
        script.shots[0].roles.truncate(1);
        script
    });
}

/// Plain clothes for those who wear any.
fn person_outfit(subject: Subject) -> Option<crate::script::Outfit> {
    use crate::vocabulary::{Bottom, Colour, Footwear, Hair, Top};
    subject.is_clothed().then(|| crate::script::Outfit {
        top: Some((Top::TShirt, Colour::Red)),
        bottom: (Bottom::Trousers, Colour::Blue),
        footwear: (Footwear::Shoes, Colour::White),
        hair: Hair::Black,
        items: Vec::new(),
    })
}

/// Where a point of the world is in the frame: x to the right and y up, -1..1.
fn project(scene: &Scene, point: Vec3, aspect: f32) -> Vec3 {
    let view = Mat4::look_at_rh(scene.view.eye, scene.view.target, scene.view.up);
    let lens = Mat4::perspective_rh(scene.view.fov_y, aspect, 0.1, 100.0);
    (lens * view).project_point3(point)
}

#[test]
fn the_main_subject_is_in_the_frame_and_big() {
    let mut failures = Vec::new();
    for (width, height) in [(256, 144), (144, 256), (192, 192)] {
        let aspect = width as f32 / height as f32;
        for seed in 0..200 {
            let script = sample(seed, width, height);
            let timeline = Timeline::new(&script);
            let member = &script.cast[script.shots[0].roles[0].member];
            for frame in (0..timeline.n_frames()).step_by(12).chain([timeline.n_frames() - 1]) {
                let scene = timeline.scene(frame);
                let mut low = Vec3::MAX;
                let mut high = Vec3::MIN;
                for instance in scene.instances.iter().filter(|instance| instance.entity == 1) {
                    for position in &instance.mesh.positions {
                        let point =
                            project(&scene, instance.pose.transform_point3(*position), aspect);
                        (low, high) = (low.min(point), high.max(point));
                    }
                }
                let what = format!(
                    "{width}x{height}, seed {seed}, frame {frame}: {} {:?}, {:?} {:?}, {low} to {high}",
                    member.subject,
                    script.shots[0].roles[0],
                    script.shots[0].camera,
                    script.shots[0].framing
                );
                let size = 0.5 * (high - low).max_element();
                let inside = low.x.min(low.y) > -1.0 && high.x < 1.0 && high.y < 1.0;
                if !inside || size < 0.22 {
                    failures.push(what);
                }
            }
        }
    }
    let n = failures.len();
    assert!(n == 0, "{n} frames cut or small:\n{}", failures[..n.min(12)].join("\n"));
}

#[test]
fn cameras_do_what_they_are_called() {
    for seed in 0..200 {
        let script = sample(seed, 256, 144);
        let timeline = Timeline::new(&script);
        let (first, last) = (timeline.scene(0).view, timeline.scene(timeline.n_frames() - 1).view);
        let turn = |view: crate::render::View| (view.target - view.eye).normalize().x;
        let (turned, moved) = (turn(last) - turn(first), last.eye - first.eye);
        let ok = match script.shots[0].camera {
            CameraMove::Static => turned == 0.0 && moved == Vec3::ZERO,
            CameraMove::PanLeft => turned < -0.05 && moved == Vec3::ZERO,
            CameraMove::PanRight => turned > 0.05 && moved == Vec3::ZERO,
            CameraMove::DollyIn => turned == 0.0 && moved.z < -0.5,
            CameraMove::DollyOut => turned == 0.0 && moved.z > 0.5,
            CameraMove::Follow => turned.abs() < 1e-6 && moved.length() > 0.5,
            CameraMove::Orbit => turned < -0.4 && moved.x > 1.0,
            CameraMove::CraneUp => moved.y > 0.8 && moved.x == 0.0,
            CameraMove::Handheld => moved.length() < 0.5,
        };
        assert!(ok, "seed {seed}: {:?} turned {turned}, moved {moved}", script.shots[0].camera);
    }
}

/// Scripts of the whole vocabulary.
fn sample_whole(seed: u64, frames: u32) -> Script {
    let form = ClipForm { width: 256, height: 144, fps: 12, frames };
    Script::sample_from(Mix::Whole, seed, Split::Train, form)
}

#[test]
fn nobody_appears_or_vanishes_without_a_cause() {
    let (mut n_breaks, mut n_members) = (0, 0);
    for seed in 0..1_000 {
        let script = sample_whole(seed, 36);
        let timeline = Timeline::new(&script);
        let breaks: Vec<Event> =
            timeline.events().into_iter().filter(|event| event.what == Happening::Break).collect();
        let mut before: Option<(Vec<usize>, Vec<EntityState>)> = None;
        for frame in 0..timeline.n_frames() {
            let scene = timeline.scene(frame);
            let states = timeline.state(frame);
            let parts: Vec<usize> = (1..=states.len())
                .map(|entity| {
                    let of = |part: &&crate::render::Instance| usize::from(part.entity) == entity;
                    scene.instances.iter().filter(of).count()
                })
                .collect();
            for (idx, (state, n)) in states.iter().zip(&parts).enumerate() {
                let subject = script.cast[state.member].subject;
                let what = format!("seed {seed}, frame {frame}: {subject} {}", state.action);
                assert!(*n > 0, "{what} is not there");
                assert!(
                    state.position.is_finite() && state.position.y > -0.02,
                    "{what}: {state:?}"
                );
                let Some((old_parts, old)) = &before else { continue };
                let broke = breaks.iter().any(|event| {
                    event.member == state.member
                        && (timeline.secs(frame - 1)..=timeline.secs(frame)).contains(&event.secs)
                });
                assert_eq!(old_parts[idx] != *n, broke, "{what} changes its parts");
                n_breaks += usize::from(broke);
                // No jump: within a frame, nobody goes farther than twice the fastest there is.
                let way = state.position.distance(old[idx].position);
                assert!(way < 8.0 * 2.0 / 12.0, "{what} jumps by {way}");
            }
            before = Some((parts, states));
        }
        n_members += script.cast.len();
    }
    assert!(n_breaks >= 10 && n_members > 1_200, "{n_breaks} breaks, {n_members} members");
}

#[test]
fn positions_change_as_velocities_say() {
    for seed in 0..300 {
        let script = sample_whole(seed, 24);
        let timeline = Timeline::new(&script);
        let events = timeline.events();
        for frame in 1..timeline.n_frames() {
            let (from, to) = (timeline.secs(frame - 1), timeline.secs(frame));
            // What is pushed, hit or landed in between changes its speed at once.
            if events.iter().any(|event| (from..=to).contains(&event.secs)) {
                continue;
            }
            for (old, new) in timeline.state(frame - 1).iter().zip(timeline.state(frame)) {
                let subject = script.cast[new.member].subject;
                let sudden = matches!(
                    new.action,
                    Action::Jump | Action::Land | Action::Swing | Action::Turn | Action::Fall
                );
                if sudden || subject.kind() == Kind::Thing && new.action == Action::Stand {
                    continue;
                }
                let way = (new.position - old.position) * 12.0;
                let expected = 0.5 * (old.velocity + new.velocity);
                let off = (way - expected) * Vec3::new(1.0, 0.0, 1.0);
                assert!(
                    off.length() < 0.08,
                    "seed {seed}, frame {frame}: {subject} {} goes {way}, says {expected}",
                    new.action
                );
            }
        }
    }
}

#[test]
fn rolling_balls_do_not_slip_and_collisions_keep_momentum() {
    let mut n = 0;
    for seed in 0..4_000 {
        let script = sample_whole(seed, 36);
        let roles = &script.shots[0].roles;
        if roles[0].action != Action::Collide {
            continue;
        }
        n += 1;
        let timeline = Timeline::new(&script);
        let contact = timeline.events().into_iter().find(|event| event.partner.is_some()).unwrap();
        let motions = &timeline.shots[0].staging.motions;
        let momentum = |secs: f32| -> Vec3 {
            motions[..2]
                .iter()
                .zip(roles)
                .map(|(motion, role)| {
                    motion.at(secs).velocity * physics::mass(&script.cast[role.member])
                })
                .sum()
        };
        let (before, after) = (momentum(contact.secs - 1e-4), momentum(contact.secs + 1e-4));
        assert!(before.distance(after) < 2e-3 * (1.0 + before.length()), "{before} {after}");
        // They touch, and do not enter each other.
        let apart = |secs: f32| {
            let [a, b] = [0, 1].map(|i| motions[i].at(secs).position);
            let half =
                |i: usize| 0.5 * crate::figures::Extent::of(&script.cast[roles[i].member]).length;
            a.distance(b) - half(0) - half(1)
        };
        assert!(apart(contact.secs).abs() < 1e-4, "seed {seed}: {}", apart(contact.secs));
        for step in 0..36_u8 {
            assert!(apart(f32::from(step) / 12.0) > -1e-4, "seed {seed}: they overlap");
        }
        // The way that a ball rolls is the way that it turns.
        let [early, late] = [0.1, 0.4].map(|secs| motions[0].at(secs * contact.secs));
        let way = early.position.distance(late.position);
        assert!((way - (late.distance - early.distance).abs()).abs() < 1e-5);
    }
    assert!(n > 40, "only {n} collisions");
}

#[test]
fn the_main_subject_of_the_whole_vocabulary_is_seen() {
    let mut renderer = crate::render::Renderer::new();
    let mut failures = Vec::new();
    for seed in 0..400 {
        let script = sample_whole(seed, 24);
        let timeline = Timeline::new(&script);
        let role = &script.shots[0].roles[0];
        for frame in [0, 11, 23] {
            let scene = timeline.scene(frame);
            let _frame = renderer.render(&scene, 128, 72);
            let share = renderer.visible_fraction(1);
            let least = if role.action == Action::Shatter { 0.001 } else { 0.006 };
            if share < least {
                let shot = &script.shots[0];
                failures.push(format!(
                    "seed {seed}, frame {frame}: {} {} {:?} {:?} {:?} {}: {share}",
                    script.cast[role.member].subject,
                    role.action,
                    role.facing,
                    shot.camera,
                    shot.framing,
                    shot.angle
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} unseen:\n{}", failures.len(), failures.join("\n"));
}

/// Grains that member `idx` of the first shot has thrown up.
fn grains(timeline: &Timeline, frame: u32, idx: usize) -> Vec<Vec3> {
    let mut instances = Vec::new();
    let (shot, secs) = timeline.shot_at(frame);
    if let Some(spray) = &shot.spray {
        let (figure, motion) = (&shot.figures[idx], &shot.staging.motions[idx]);
        spray.instances(idx, figure, motion, secs, &mut instances);
    }
    instances.iter().map(|instance| instance.pose.translation.into()).collect()
}

#[test]
fn spray_flies_where_feet_wheels_and_bows_meet_loose_ground() {
    let form = ClipForm { width: 256, height: 144, fps: 12, frames: 24 };
    let mut sprayed = std::collections::BTreeSet::new();
    for seed in 0..600 {
        let script = Script::sample_from(Mix::Whole, seed, Split::Train, form);
        let shot = &script.shots[0];
        let timeline = Timeline::new(&script);
        let loose = match shot.place {
            Place::Beach | Place::Snowfield | Place::Desert | Place::Moon => true,
            Place::Tabletop => false,
            _ => shot.weather == Weather::Rain,
        };
        assert!(loose || timeline.shots[0].spray.is_none(), "seed {seed}: {:?}", shot.place);
        for frame in 0..timeline.n_frames() {
            for (idx, state) in timeline.state(frame).iter().enumerate() {
                let grains = grains(&timeline, frame, idx);
                let stays = matches!(
                    state.action,
                    Action::Stand | Action::Wave | Action::Sit | Action::Turn | Action::Float
                );
                assert!(!stays || grains.is_empty(), "seed {seed}: {:?}", state.action);
                for grain in &grains {
                    let way = grain.distance(state.position);
                    assert!(
                        (0.0..1.2).contains(&grain.y) && way < 3.2,
                        "seed {seed}: {grain}, {way}"
                    );
                }
                if !grains.is_empty() && state.action == Action::Jump {
                    sprayed.insert(("a jump", script.cast[shot.roles[idx].member].subject));
                }
                if !grains.is_empty() {
                    sprayed
                        .insert((shot.place.name(), script.cast[shot.roles[idx].member].subject));
                }
            }
        }
    }
    for cause in [
        ("beach", Subject::Dog),
        ("beach", Subject::Boat),
        ("snowfield", Subject::Mammoth),
        ("desert", Subject::Car),
        ("moon", Subject::Astronaut),
        ("a jump", Subject::Child),
        ("neon street", Subject::Man),
    ] {
        assert!(sprayed.contains(&cause), "{cause:?} of {sprayed:?}");
    }
    for seed in 0..200 {
        let timeline = Timeline::new(&sample(seed, 256, 144));
        assert!(timeline.shots.iter().all(|shot| shot.spray.is_none()), "seed {seed}");
    }
}
