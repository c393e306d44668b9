//! All that is known of a frame: who is where and does what, what has just happened, and dense truth for each pixel.

use hibari_media::Frame;
use serde::Serialize;

use crate::clip::ClipRenderer;
use crate::render::Scene;
use crate::script::{Script, Shot};
use crate::timeline::{Event, Timeline};
use crate::vocabulary::{
    Action, CameraMove, Colour, Expression, Ground, Light, Place, Subject, Weather,
};

/// What is known of a frame, as it is exported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrameState {
    /// Position in the clip.
    pub frame: u32,
    /// Time in the clip, seconds.
    pub secs: f32,
    /// Position of the shot in the script.
    pub shot: usize,
    /// Where.
    pub place: Place,
    /// Light.
    pub light: Light,
    /// Weather.
    pub weather: Weather,
    /// State of the ground.
    pub ground: Ground,
    /// The camera's pose.
    pub camera: CameraState,
    /// The cast of the shot, in the order of its roles.
    pub entities: Vec<EntityTruth>,
    /// What has happened since the frame before.
    pub events: Vec<Event>,
}

/// A camera's pose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CameraState {
    /// How it moves in the shot.
    pub movement: CameraMove,
    /// Where it is, units of the world.
    pub eye: [f32; 3],
    /// What is in the middle of the picture.
    pub target: [f32; 3],
    /// Angle from the lower to the upper edge of the picture, radians.
    pub fov_y: f32,
}

/// What is known of a member of the cast in a frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntityTruth {
    /// The number that [`FrameTruth::ids`] shows.
    pub id: u8,
    /// Position in the script's cast.
    pub member: usize,
    /// What it is.
    pub subject: Subject,
    /// Its main colour.
    pub colour: Colour,
    /// What it does.
    pub action: Action,
    /// Its face.
    pub expression: Expression,
    /// The point on the ground below its middle, or its lowest point in the air, units.
    pub position: [f32; 3],
    /// Change of the position, units per second.
    pub velocity: [f32; 3],
    /// Share of its outline that is seen, 0..1.
    pub visible: f32,
    /// The least box around it in the picture, pixels: left, top, and beyond it right, bottom.
    pub bounds: Option<[usize; 4]>,
}

/// A frame with all that is known of it.
#[derive(Clone, Debug)]
pub struct FrameTruth {
    /// The picture.
    pub frame: Frame,
    /// What is known.
    pub state: FrameState,
    /// `[height, width]`: whose part each pixel shows, see [`EntityTruth::id`]; 0 for nobody.
    pub ids: Vec<u8>,
    /// `[height, width]`: distance along the camera's axis, units; infinite for the sky.
    pub depth: Vec<f32>,
    /// `[height / 8, width / 8]`: how far the middle of each square moves until the next frame of the shot, pixels to the
    /// right and down; zero in a shot's last frame.
    pub flow: Vec<[f32; 2]>,
}

impl ClipRenderer {
    /// Frame `index` of a script with all that is known of it; the picture is that of [`ClipRenderer::render`].
    ///
    /// # Panics
    /// if the script is not valid or has no such frame
    pub fn truth(&mut self, script: &Script, index: u32) -> FrameTruth {
        self.truth_in(&Timeline::new(script), script, index, true)
    }

    /// The same with a timeline that is at hand; depth and flow are empty unless `dense`.
    pub(crate) fn truth_in(
        &mut self,
        timeline: &Timeline,
        script: &Script,
        index: u32,
        dense: bool,
    ) -> FrameTruth {
        let scene = timeline.scene(index);
        let (shot_idx, first) = shot_of(script, index);
        let shot = &script.shots[shot_idx];
        let side = |pixels: u32| usize::try_from(pixels).expect("a valid side fits");
        let (width, height) = (side(script.width), side(script.height));
        let frame = self.renderer.render(&scene, width, height);
        let entities = self.entities(script, shot, timeline, &scene, index);
        let is_last = index + 1 == first + shot.frames;
        let next = if is_last { scene.clone() } else { timeline.scene(index + 1) };
        let view = scene.view;
        let secs = timeline.secs(index);
        let state = FrameState {
            frame: index,
            secs,
            shot: shot_idx,
            place: shot.place,
            light: shot.light,
            weather: shot.weather,
            ground: shot.ground,
            camera: CameraState {
                movement: shot.camera,
                eye: view.eye.to_array(),
                target: view.target.to_array(),
                fov_y: view.fov_y,
            },
            entities,
            events: timeline.events_between(index),
        };
        FrameTruth {
            ids: self.renderer.entities().to_vec(),
            depth: if dense { self.renderer.depth(&scene, width, height) } else { Vec::new() },
            flow: if dense { self.renderer.flow(&scene, &next, width, height) } else { Vec::new() },
            frame,
            state,
        }
    }

    fn entities(
        &mut self,
        script: &Script,
        shot: &Shot,
        timeline: &Timeline,
        scene: &Scene,
        index: u32,
    ) -> Vec<EntityTruth> {
        let side = |pixels: u32| usize::try_from(pixels).expect("a valid side fits");
        let (width, height) = (side(script.width), side(script.height));
        let states = timeline.state(index);
        let mut entities = Vec::with_capacity(states.len());
        for ((state, role), id) in states.into_iter().zip(&shot.roles).zip(1_u8..) {
            let member = &script.cast[role.member];
            entities.push(EntityTruth {
                id,
                member: role.member,
                subject: member.subject,
                colour: member.colour,
                action: state.action,
                expression: role.expression,
                position: state.position.to_array(),
                velocity: state.velocity.to_array(),
                visible: self.renderer.visible_share(scene, id, width, height),
                bounds: self.renderer.bounds(id, width),
            });
        }
        entities
    }
}

/// The shot that holds a frame, and its first frame.
fn shot_of(script: &Script, index: u32) -> (usize, u32) {
    let mut first = 0;
    for (idx, shot) in script.shots.iter().enumerate() {
        if index < first + shot.frames {
            return (idx, first);
        }
        first += shot.frames;
    }
    panic!("frame {index} of {first}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grounding::ground_in;
    use crate::sample::{ClipForm, Split};
    use crate::vocabulary::Mix;

    const FORM: ClipForm = ClipForm { width: 128, height: 72, fps: 12, frames: 24 };

    fn script(text: &str) -> Script {
        ground_in(Mix::Whole, text, &mut |_| None).realise(3, FORM)
    }

    #[test]
    fn ids_bounds_depth_and_state_agree() {
        let mut renderer = ClipRenderer::new();
        for seed in 0..40 {
            let script = Script::sample_from(Mix::Whole, seed, Split::Train, FORM);
            let truth = renderer.truth(&script, 10);
            assert!(renderer.still(&script, 10) == truth.frame, "the picture is that of the clip");
            assert_eq!((truth.ids.len(), truth.depth.len()), (128 * 72, 128 * 72));
            assert_eq!(truth.flow.len(), 16 * 9);
            assert!(truth.depth.iter().all(|depth| *depth > 0.04), "seed {seed}");
            assert_eq!(truth.state.entities.len(), script.shots[0].roles.len());
            for entity in &truth.state.entities {
                let n = truth.ids.iter().filter(|id| **id == entity.id).count();
                assert_eq!(n > 0, entity.bounds.is_some(), "seed {seed}: {entity:?}");
                assert!((0.0..=1.0).contains(&entity.visible));
                if let Some([left, top, right, bottom]) = entity.bounds {
                    assert!(n <= (right - left) * (bottom - top));
                }
            }
            assert!(truth.state.entities[0].visible > 0.5, "seed {seed}: the main subject is seen");
            serde_json::to_string(&truth.state).unwrap();
        }
    }

    #[test]
    fn flow_follows_what_moves_and_the_camera() {
        let static_car = script(
            "a red car drives to the right through a park, by day, clear sky, static camera, no people",
        );
        let truth = ClipRenderer::new().truth(&static_car, 10);
        let now = truth.state.entities[0].bounds.unwrap();
        let next = ClipRenderer::new().truth(&static_car, 11).state.entities[0].bounds.unwrap();
        let way = (next[0] as f32 + next[2] as f32 - now[0] as f32 - now[2] as f32) * 0.5;
        let (mut of_car, mut of_rest) = (Vec::new(), Vec::new());
        for (i, flow) in truth.flow.iter().enumerate() {
            let (x, y) = (i % 16 * 8 + 4, i / 16 * 8 + 4);
            let list = if truth.ids[y * 128 + x] == 1 { &mut of_car } else { &mut of_rest };
            list.push(flow[0]);
        }
        of_car.sort_by(f32::total_cmp);
        let middle = of_car[of_car.len() / 2];
        assert!((middle - way).abs() < 0.8, "{middle} pixels, the box moves {way}");
        assert!(of_rest.iter().all(|flow| flow.abs() < 1e-2), "{of_rest:?}");

        let pan = script("a red box stands on a table, by day, pan right, no people");
        let truth = ClipRenderer::new().truth(&pan, 10);
        assert!(truth.flow.iter().all(|flow| flow[0] < 0.0), "all moves left: {:?}", truth.flow);
    }

    #[test]
    fn depth_is_the_distance_of_what_is_seen() {
        let script =
            script("a red box stands on a table, by day, static camera, eye level, no people");
        let truth = ClipRenderer::new().truth(&script, 0);
        let [left, top, right, bottom] = truth.state.entities[0].bounds.unwrap();
        let middle = truth.depth[(top + bottom) / 2 * 128 + (left + right) / 2];
        let camera = truth.state.camera;
        let away = camera.eye[2] - truth.state.entities[0].position[2];
        assert!((away - 0.9..away).contains(&middle), "{middle}, the box is {away} away");
        assert!(truth.depth[127].is_finite(), "the wall is behind");
    }

    #[test]
    fn what_breaks_is_recorded_once() {
        let form = ClipForm { width: 64, height: 36, fps: 12, frames: 36 };
        let read = ground_in(Mix::Whole, "a blue glass shatters on a table", &mut |_| None);
        let script = read.realise(1, form);
        let timeline = Timeline::new(&script);
        let breaks: Vec<Event> = (0..36)
            .flat_map(|frame| timeline.events_between(frame))
            .filter(|event| event.what == crate::timeline::Happening::Break)
            .collect();
        assert_eq!(breaks.len(), 1, "{:?}", timeline.events());
    }
}
