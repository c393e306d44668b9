//! The colours of the world, linear RGB, in one place.

use glam::Vec3;

use crate::vocabulary::Colour;

/// Skin.
pub(crate) const SKIN: Vec3 = Vec3::new(0.86, 0.50, 0.33);
/// Eyes, noses, tyres.
pub(crate) const INK: Vec3 = Vec3::new(0.012, 0.012, 0.016);
/// Mouths.
pub(crate) const LIPS: Vec3 = Vec3::new(0.45, 0.05, 0.06);
/// Glass of cars and of dark windows.
pub(crate) const GLASS: Vec3 = Vec3::new(0.05, 0.09, 0.14);
/// Headlights and lit windows.
pub(crate) const WARM_LIGHT: Vec3 = Vec3::new(1.0, 0.80, 0.42);

/// The linear RGB of a colour of the vocabulary.
pub(crate) const fn linear(colour: Colour) -> Vec3 {
    match colour {
        Colour::Red => Vec3::new(0.72, 0.025, 0.03),
        Colour::Orange => Vec3::new(0.95, 0.26, 0.015),
        Colour::Yellow => Vec3::new(0.95, 0.70, 0.05),
        Colour::Green => Vec3::new(0.05, 0.42, 0.09),
        Colour::Blue => Vec3::new(0.03, 0.14, 0.72),
        Colour::Purple => Vec3::new(0.26, 0.06, 0.55),
        Colour::Pink => Vec3::new(0.95, 0.30, 0.50),
        Colour::Brown => Vec3::new(0.20, 0.085, 0.035),
        Colour::Black => Vec3::new(0.018, 0.018, 0.022),
        Colour::White => Vec3::new(0.95, 0.95, 0.93),
        Colour::Grey => Vec3::new(0.19, 0.20, 0.215),
    }
}

/// A colour for a mark that must show on `colour`: lighter, or darker on light ones.
pub(crate) fn contrast(colour: Vec3) -> Vec3 {
    if colour.element_sum() > 1.5 { colour * 0.35 } else { colour.lerp(Vec3::ONE, 0.72) }
}
