//! Feet that do not slide: where a foot is, from the distance travelled alone.

use crate::timeline::motion::{ease, fract, sine};

/// The way in which feet are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gait {
    /// Share of the cycle in which a foot stands on the ground.
    pub(crate) stance: f32,
    /// Height to which a foot is lifted, units.
    pub(crate) lift: f32,
}

/// A foot, in the frame of the body: z is forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Forward of the body, units.
    pub(crate) forward: f32,
    /// Above the ground, units.
    pub(crate) height: f32,
    /// Turn of the foot, radians; positive with the heel up.
    pub(crate) pitch: f32,
    /// Whether the foot stands.
    pub(crate) stands: bool,
}

impl Gait {
    /// The foot whose cycle is `offset` of a cycle ahead, when the body has come `distance` with cycles of `stride`.
    ///
    /// While it stands, the foot goes back in the body's frame just as the body goes forward, so it rests on the ground.
    pub(crate) fn step(&self, distance: f32, stride: f32, offset: f32) -> Step {
        let phase = fract(distance / stride + offset);
        let reach = self.stance * stride;
        if phase < self.stance {
            let s = phase / self.stance;
            return Step { forward: reach * (0.5 - s), height: 0.0, pitch: 0.0, stands: true };
        }
        let s = (phase - self.stance) / (1.0 - self.stance);
        Step {
            forward: reach * (ease(s) - 0.5),
            height: self.lift * sine(0.5 * s),
            pitch: 0.9 * sine(0.5 * s) * (1.0 - s) * (self.lift / 0.1).min(1.5),
            stands: false,
        }
    }
}
