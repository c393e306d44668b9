//! Where it happens: scenery, ground, sky and light of each place.

mod park;
mod set;
mod street;
mod tabletop;

use glam::{Affine3A, Vec3};

use self::set::Set;
use crate::random::Random;
use crate::render::{Disc, Scene, View};
use crate::vocabulary::{Ground, Light, Place};

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
    /// Its way.
    pub(crate) way: Way,
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
        match self.place {
            Place::NeonStreet => street::build(self, random),
            Place::Park => park::build(self, random),
            Place::Tabletop => tabletop::build(self, random),
        }
    }

    /// Light and sky of the hour, over an empty ground.
    fn base(&self) -> Scene {
        let view = View { eye: Vec3::Z, target: Vec3::ZERO, up: Vec3::Y, fov_y: 0.6 };
        match self.light {
            Light::Day => Scene::day(view),
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
