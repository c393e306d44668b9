//! What a frame shows: meshes in places, a ground, light, sky, fog. The renderer draws it; figures and places fill it.
//!
//! Colours are linear RGB, 0..1 (a glow may be brighter). Metres and radians; y is up, the ground is y = 0; right-handed.

use std::sync::Arc;

use glam::{Affine3A, Vec2, Vec3};

use super::mesh::Mesh;

/// A pattern whose second colour is blended into the surface's own: on the ground in the plane of x and z, on an
/// object in its own coordinates before `pose`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// One colour.
    Plain,
    /// Squares with sides of `size` metres on x, y and z.
    Checks {
        /// Side of a square.
        size: f32,
        /// Colour of every other square.
        second: Vec3,
    },
    /// Bands across `along`, each `size` metres wide.
    Stripes {
        /// Direction in which the colours alternate.
        along: Vec3,
        /// Width of a band.
        size: f32,
        /// Colour of every other band.
        second: Vec3,
    },
    /// Boards that run along x, each `width` metres wide, with thin dark joints and a faint grain.
    Planks {
        /// Width of a board (z).
        width: f32,
        /// Colour of the darkest boards.
        second: Vec3,
    },
    /// Soft spots: grass, sand, snow.
    Mottled {
        /// Distance of spots.
        size: f32,
        /// Colour of the spots.
        second: Vec3,
    },
    /// A road through the origin with a dashed white centre line, tiled pavements on both sides.
    Street {
        /// Unit direction of the road in the plane (x, z).
        along: Vec2,
        /// From the centre line to the kerb.
        half_width: f32,
        /// Colour of the pavements.
        pavement: Vec3,
    },
    /// Sand by the sea: the sea is where the distance from the shore line is negative, and its edge comes and goes.
    Shore {
        /// Unit direction of the shore in the plane (x, z).
        along: Vec2,
        /// Distance of the shore line from the origin, towards (-along.y, along.x).
        offset: f32,
        /// Colour of the water.
        water: Vec3,
        /// Colour of foam and of light on the waves.
        foam: Vec3,
        /// Time, seconds.
        secs: f32,
    },
    /// Soft spots with round craters.
    Craters {
        /// Distance of craters.
        size: f32,
        /// Colour of the spots.
        second: Vec3,
    },
    /// A mottled ground with a path on it.
    Path {
        /// Unit direction of the path in the plane (x, z).
        along: Vec2,
        /// Distance of its centre line from the origin, towards (-along.y, along.x).
        offset: f32,
        /// From the centre line to the edge.
        half_width: f32,
        /// Colour of the path.
        second: Vec3,
    },
}

/// How a surface answers light.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surface {
    /// Diffuse colour.
    pub colour: Vec3,
    /// Strength of a highlight, 0 matte .. 1 metal-like.
    pub gloss: f32,
    /// Share of the light that passes through, 0 for all that is not of glass; bent a little by its shape.
    pub clear: f32,
    /// 0 lit only; from there on it shines by itself with `glow * colour` and takes less light; 1 and more blooms.
    pub glow: f32,
    /// Where a second colour goes.
    pub pattern: Pattern,
}

impl Surface {
    /// A matte surface of one colour.
    #[must_use]
    pub fn matte(colour: Vec3) -> Self {
        Self { colour, gloss: 0.0, clear: 0.0, glow: 0.0, pattern: Pattern::Plain }
    }

    /// A surface of one colour with a highlight.
    #[must_use]
    pub fn glossy(colour: Vec3, gloss: f32) -> Self {
        Self { gloss, ..Self::matte(colour) }
    }

    /// A lamp, a lit window, a neon tube.
    #[must_use]
    pub fn glowing(colour: Vec3, glow: f32) -> Self {
        Self { glow, ..Self::matte(colour) }
    }

    /// Glass that tints what is behind it.
    #[must_use]
    pub fn clear(colour: Vec3, clear: f32) -> Self {
        Self { gloss: 0.9, clear, ..Self::matte(colour) }
    }

    /// The same surface with a pattern.
    #[must_use]
    pub fn with_pattern(self, pattern: Pattern) -> Self {
        Self { pattern, ..self }
    }
}

/// A mesh in its place.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The shape.
    pub mesh: Arc<Mesh>,
    /// From the mesh's coordinates to the world; must not mirror.
    pub pose: Affine3A,
    /// Its looks.
    pub surface: Surface,
    /// Whether it darkens the ground.
    pub casts_shadow: bool,
    /// Whose part it is: the number that [`super::Renderer::entities`] reports; 0 is nobody.
    pub entity: u8,
}

/// The camera: perspective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Where it stands; above the ground.
    pub eye: Vec3,
    /// What is in the middle of the picture.
    pub target: Vec3,
    /// Upwards in the picture; not along the line of sight.
    pub up: Vec3,
    /// Angle from the lower to the upper edge of the picture, radians.
    pub fov_y: f32,
}

/// What is behind everything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sky {
    /// Colour overhead.
    pub zenith: Vec3,
    /// Colour at the horizon.
    pub horizon: Vec3,
    /// Whether there are stars.
    pub stars: bool,
    /// Sun or moon.
    pub disc: Option<Disc>,
}

/// The sun or moon in the sky.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disc {
    /// Unit direction to it.
    pub direction: Vec3,
    /// Its colour; above 1 it blooms.
    pub colour: Vec3,
    /// Angular radius, radians.
    pub radius: f32,
}

/// A point light without shadows: a neon tube, a lamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamp {
    /// Where it is.
    pub position: Vec3,
    /// Its colour times its strength: what a white surface that faces it shows close by.
    pub colour: Vec3,
    /// Distance at which its light has faded to nothing, metres.
    pub reach: f32,
}

/// What falls through the air.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Particles {
    /// Whether it is snow, which drifts as flakes; else rain, which falls as streaks.
    pub snow: bool,
    /// Their colour, lit.
    pub colour: Vec3,
    /// Time, seconds.
    pub secs: f32,
}

/// All that a frame shows.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The camera.
    pub view: View,
    /// What is behind everything.
    pub sky: Sky,
    /// Unit direction to the one light that casts shadows; its y is above 0.
    pub sun: Vec3,
    /// Colour of that light.
    pub sun_colour: Vec3,
    /// Light from above.
    pub ambient_up: Vec3,
    /// Light from below.
    pub ambient_down: Vec3,
    /// Further lights; few (up to 8 are cheap).
    pub lamps: Vec<Lamp>,
    /// Colour into which distance fades.
    pub fog_colour: Vec3,
    /// How fast, per metre; 0 for none: at `0.8 / fog_density` metres half of a colour is left.
    pub fog_density: f32,
    /// The endless plane y = 0, never an instance.
    pub ground: Surface,
    /// How strongly the ground mirrors, 0 dry .. 1 water.
    pub mirror: f32,
    /// What falls through the air.
    pub particles: Option<Particles>,
    /// The meshes.
    pub instances: Vec<Instance>,
}

impl Scene {
    /// Nothing but a light grey ground under a blue sky at noon; the place to start from.
    #[must_use]
    pub fn day(view: View) -> Self {
        Self {
            view,
            sky: Sky {
                zenith: Vec3::new(0.16, 0.38, 0.80),
                horizon: Vec3::new(0.68, 0.82, 0.95),
                stars: false,
                disc: None,
            },
            sun: Vec3::new(-0.45, 0.80, 0.40).normalize(),
            sun_colour: Vec3::new(0.80, 0.76, 0.66),
            ambient_up: Vec3::new(0.40, 0.45, 0.54),
            ambient_down: Vec3::new(0.24, 0.23, 0.20),
            lamps: Vec::new(),
            fog_colour: Vec3::new(0.68, 0.82, 0.95),
            fog_density: 0.016,
            ground: Surface::matte(Vec3::splat(0.5)),
            mirror: 0.0,
            particles: None,
            instances: Vec::new(),
        }
    }

    /// Nothing but a dark ground under stars; a neutral key light keeps the colours of what stands there apart.
    #[must_use]
    pub fn night(view: View) -> Self {
        Self {
            view,
            sky: Sky {
                zenith: Vec3::new(0.006, 0.010, 0.035),
                horizon: Vec3::new(0.035, 0.040, 0.11),
                stars: true,
                disc: None,
            },
            sun: Vec3::new(-0.35, 0.80, 0.55).normalize(),
            sun_colour: Vec3::new(0.44, 0.44, 0.46),
            ambient_up: Vec3::new(0.17, 0.18, 0.26),
            ambient_down: Vec3::new(0.12, 0.10, 0.12),
            lamps: Vec::new(),
            fog_colour: Vec3::new(0.035, 0.040, 0.11),
            fog_density: 0.025,
            ground: Surface::matte(Vec3::splat(0.12)),
            mirror: 0.0,
            particles: None,
            instances: Vec::new(),
        }
    }
}
