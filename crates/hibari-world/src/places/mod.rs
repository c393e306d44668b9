//! Where it happens: scenery, ground, sky and light of each place.

mod beach;
mod desert;
mod forest;
mod moon;
mod park;
mod scatter;
mod set;
mod snowfield;
mod street;
mod tabletop;

use glam::{Affine3A, Vec3};

use self::set::Set;
use crate::random::Random;
use crate::render::{Disc, Particles, Pattern, Scene, View};
use crate::vocabulary::{Ground, Light, Place, Weather};

/// How the way through a place lies, seen by the camera, which looks along -z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From side to side.
    Across,
    /// Away from the camera.
    Along,
}

/// What a place is to look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The place.
    pub(crate) place: Place,
    /// Its light.
    pub(crate) light: Light,
    /// Its ground.
    pub(crate) ground: Ground,
    /// Its weather.
    pub(crate) weather: Weather,
    /// Its way.
    pub(crate) way: Way,
    /// Whether a boat is there, so that the stage is on the water.
    pub(crate) afloat: bool,
}

/// A place, ready to be drawn around any point of its way.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Light, sky and ground, lamps relative to the point; no instances.
    base: Scene,
    /// Scenery that repeats along the way.
    tile: Set,
    /// Scenery so far away that it stays with the camera.
    far: Set,
    /// Length after which the scenery repeats, units.
    period: f32,
    way: Way,
}

impl Look {
    /// Builds the place.
    pub(crate) fn build(&self, random: &mut Random) -> Setting {
        let mut setting = match self.place {
            Place::NeonStreet => street::build(self, random),
            Place::Park => park::build(self, random),
            Place::Tabletop => tabletop::build(self, random),
            Place::Beach => beach::build(self, random),
            Place::Snowfield => snowfield::build(self, random),
            Place::Desert => desert::build(self, random),
            Place::Forest => forest::build(self, random),
            Place::Moon => moon::build(self, random),
        };
        self.add_weather(&mut setting.base);
        setting
    }

    /// How bright things without a lamp are, relative to the day.
    pub(crate) fn dim(&self) -> f32 {
        match self.light {
            Light::Day | Light::Overcast => 1.0,
            Light::Sunset => 0.95,
            Light::Night => 0.52,
        }
    }

    /// Veils the sky, and lets fall what falls.
    fn add_weather(&self, base: &mut Scene) {
        let lit = match self.light {
            Light::Day => Vec3::new(1.0, 1.0, 1.0),
            Light::Overcast => Vec3::new(0.93, 0.95, 0.97),
            Light::Sunset => Vec3::new(1.0, 0.80, 0.66),
            Light::Night => Vec3::new(0.30, 0.32, 0.40),
        };
        let veil = match self.light {
            Light::Day | Light::Overcast => Vec3::new(0.66, 0.70, 0.74),
            Light::Sunset => Vec3::new(0.80, 0.52, 0.38),
            Light::Night => Vec3::new(0.055, 0.060, 0.095),
        };
        let (share, sun, density) = match self.weather {
            Weather::Clear => return,
            Weather::Rain => (0.75, 0.35, 0.036),
            Weather::Snow => (0.65, 0.50, 0.034),
            Weather::Fog => (1.0, 0.40, 0.105),
        };
        base.sky.stars = false;
        base.sky.disc = base.sky.disc.filter(|_| self.weather != Weather::Fog && share < 0.7);
        base.sky.zenith = base.sky.zenith.lerp(veil * if share < 1.0 { 0.8 } else { 1.0 }, share);
        base.sky.horizon = base.sky.horizon.lerp(veil, share);
        base.fog_colour = base.fog_colour.lerp(veil, share);
        base.fog_density = base.fog_density.max(density);
        // What the sun no longer gives comes from all of the sky.
        base.ambient_up += base.sun_colour * ((1.0 - sun) * 0.32);
        base.sun_colour *= sun;
        match self.weather {
            Weather::Rain => {
                let colour = lit * Vec3::new(0.78, 0.83, 0.90);
                base.particles = Some(Particles { snow: false, colour, secs: 0.0 });
                base.mirror = base.mirror.max(0.45);
            }
            Weather::Snow => {
                base.particles = Some(Particles { snow: true, colour: lit, secs: 0.0 });
                let white = Vec3::splat(0.80) * lit;
                let whiten = |colour: &mut Vec3| *colour = colour.lerp(white, 0.34);
                whiten(&mut base.ground.colour);
                match &mut base.ground.pattern {
                    Pattern::Street { pavement: second, .. }
                    | Pattern::Path { second, .. }
                    | Pattern::Mottled { second, .. }
                    | Pattern::Planks { second, .. } => whiten(second),
                    _ => {}
                }
            }
            Weather::Clear | Weather::Fog => {}
        }
    }

    /// Light and sky of the hour, over an empty ground.
    fn base(&self) -> Scene {
        let view = View { eye: Vec3::Z, target: Vec3::ZERO, up: Vec3::Y, fov_y: 0.6 };
        match self.light {
            Light::Day => Scene::day(view),
            Light::Sunset => {
                let mut scene = Scene::day(view);
                scene.sky.zenith = Vec3::new(0.13, 0.16, 0.44);
                scene.sky.horizon = Vec3::new(1.0, 0.47, 0.20);
                scene.sky.disc = Some(Disc {
                    direction: Vec3::new(-0.30, 0.10, -1.0).normalize(),
                    colour: Vec3::new(2.2, 1.15, 0.42),
                    radius: 0.05,
                });
                scene.sun = Vec3::new(-0.82, 0.42, 0.38).normalize();
                scene.sun_colour = Vec3::new(1.02, 0.54, 0.26);
                scene.ambient_up = Vec3::new(0.40, 0.33, 0.43);
                scene.ambient_down = Vec3::new(0.27, 0.18, 0.17);
                scene.fog_colour = Vec3::new(0.90, 0.48, 0.28);
                scene.fog_density = 0.018;
                scene
            }
            Light::Overcast => {
                let mut scene = Scene::day(view);
                scene.sky.zenith = Vec3::new(0.44, 0.48, 0.54);
                scene.sky.horizon = Vec3::new(0.70, 0.73, 0.76);
                scene.sun = Vec3::new(-0.25, 0.94, 0.25).normalize();
                scene.sun_colour = Vec3::new(0.21, 0.21, 0.21);
                scene.ambient_up = Vec3::new(0.60, 0.63, 0.68);
                scene.ambient_down = Vec3::new(0.27, 0.27, 0.27);
                scene.fog_colour = Vec3::new(0.66, 0.69, 0.72);
                scene.fog_density = 0.024;
                scene
            }
            Light::Night => {
                let mut scene = Scene::night(view);
                scene.sky.disc = Some(Disc {
                    direction: Vec3::new(0.24, 0.13, -1.0).normalize(),
                    colour: Vec3::new(1.0, 0.96, 0.82),
                    radius: 0.035,
                });
                scene
            }
        }
    }
}

impl Setting {
    /// The place without the cast, seen from `view`, around the point `around` of the world.
    pub(crate) fn scene(&self, view: View, around: Vec3, secs: f32) -> Scene {
        let mut scene = self.base.clone();
        scene.view = view;
        if let Pattern::Shore { secs: time, .. } = &mut scene.ground.pattern {
            *time = secs;
        }
        if let Some(particles) = &mut scene.particles {
            particles.secs = secs;
        }
        let way = match self.way {
            Way::Across => Vec3::X,
            Way::Along => Vec3::Z,
        };
        let along = way * around.dot(way);
        for lamp in &mut scene.lamps {
            lamp.position += along;
        }
        // Which stretch of the way is in view: to both sides, or ahead.
        let (behind, ahead) = match self.way {
            Way::Across => (-11.0, 11.0),
            Way::Along => (-30.0, view.eye.z - around.z + 1.0),
        };
        let s = around.dot(way);
        let first = ((s + behind) / self.period + 0.5).floor();
        let last = ((s + ahead) / self.period + 0.5).floor();
        let mut tile = first;
        while tile <= last {
            let pose = Affine3A::from_translation(way * (tile * self.period));
            self.tile.instances(pose, secs, &mut scene.instances);
            tile += 1.0;
        }
        let far = Affine3A::from_translation(Vec3::new(view.eye.x, 0.0, view.eye.z));
        self.far.instances(far, secs, &mut scene.instances);
        scene
    }
}
