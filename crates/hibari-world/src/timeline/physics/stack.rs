//! A stack of three blocks whose upper two are pushed off: each slides, tips over the edge below it, flies and lands.
//!
//! All in the plane of the push, for equal cubes. What slides is slowed by dry friction, the tip over an edge is
//! without it, and impacts on the ground neither bounce nor slip: a block turns on about the corner that met the ground
//! with the angular momentum it has about it, until it lies. That a tipping block presses on the edge's block is
//! neglected.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4};

use glam::Vec2;

use super::{DRAG, STEPS_HZ};
use crate::timeline::motion::GRAVITY;

/// Number of blocks of a stack.
pub(crate) const N_BLOCKS: usize = 3;
/// Speeds that the push gives the blocks, from the lowest up, in roots of gravity times side: all sizes move alike.
const SHOVES: [f32; N_BLOCKS] = [0.0, 0.48, 1.35];
/// Longest that a block is followed, seconds after the push.
const MOST_SECS: f32 = 8.0;

/// A block of a stack at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    /// Its middle: forward of the stack's and above the ground, units.
    pub(crate) middle: Vec2,
    /// How far it has turned forward, radians.
    pub(crate) tilt: f32,
    /// When it met the ground, seconds after the push; nothing before.
    pub(crate) landed_secs: Option<f32>,
    /// When it came to rest there.
    pub(crate) rested_secs: Option<f32>,
}

/// What a block is at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// It tips over an edge: how far its middle is past it along its face, and the change of that.
    Tips { past: f32, speed: f32 },
    /// It flies with this velocity.
    Flies(Vec2),
    /// It turns about a corner on the ground, this far forward.
    Rocks(f32),
    /// It lies.
    Rests,
}

/// The blocks of a stack, from the lowest up, `secs` after the push.
pub(crate) fn stack(side: f32, secs: f32) -> [Block; N_BLOCKS] {
    [0, 1, 2].map(|level| block(side, level, secs))
}

/// How far a pushed block has slid on the one below, and how fast it is.
fn slide(side: f32, level: usize, secs: f32) -> (f32, f32) {
    super::slowed(SHOVES[level] * (GRAVITY * side).sqrt(), DRAG.1, secs)
}

/// The block of a level, `secs` after the push.
fn block(side: f32, level: usize, secs: f32) -> Block {
    let half = 0.5 * side;
    let up = side * f32::from(u8::try_from(level).expect("a stack is low"));
    let mut block = Block {
        middle: Vec2::new(0.0, up + half),
        tilt: 0.0,
        landed_secs: None,
        rested_secs: None,
    };
    if level == 0 || secs <= 0.0 {
        return block;
    }
    let (inertia, step) = (side * side / 6.0, 1.0 / STEPS_HZ);
    let n_steps = (secs.min(MOST_SECS) * STEPS_HZ) as u16;
    let mut phase = None;
    let mut spin = 0.0;
    for n in 1..=n_steps {
        let secs = f32::from(n) * step;
        // The edge below slides, too, and is slowed.
        let ((edge, edge_speed), slowing) = match level {
            1 => ((0.0, 0.0), 0.0),
            _ => (slide(side, 1, secs), DRAG.1),
        };
        match phase {
            None => {
                let (way, speed) = slide(side, level, secs);
                block.middle.x = way;
                let past = way - edge - half;
                if past >= 0.0 {
                    phase = Some(Phase::Tips { past, speed: speed - edge_speed });
                }
            }
            Some(Phase::Tips { past, speed }) => {
                // Lagrange's equations for the way past the edge and the turn, seen from the edge.
                let turned = Vec2::from_angle(block.tilt);
                let (down, across) = (
                    GRAVITY * turned.y + slowing * turned.x,
                    GRAVITY * turned.x - slowing * turned.y,
                );
                let turning =
                    (past * across - half * past * spin * spin - 2.0 * past * speed * spin)
                        / (past * past + inertia);
                let sliding = down + past * spin * spin - half * turning;
                let (speed, before) = (speed + step * sliding, spin);
                spin += step * turning;
                block.tilt += 0.5 * step * (before + spin);
                let past = past + step * speed;
                let turned = Vec2::from_angle(block.tilt);
                let (face, out) = (Vec2::new(turned.x, -turned.y), Vec2::new(turned.y, turned.x));
                block.middle = Vec2::new(edge + half, up) + past * face + half * out;
                let velocity =
                    Vec2::new(edge_speed, 0.0) + (speed + half * spin) * face - past * spin * out;
                // The edge only presses.
                let leaves = past >= half || turning < 0.0;
                phase =
                    Some(if leaves { Phase::Flies(velocity) } else { Phase::Tips { past, speed } });
            }
            Some(Phase::Flies(velocity)) => {
                let fallen = velocity - Vec2::Y * (GRAVITY * step);
                block.middle += 0.5 * step * (velocity + fallen);
                block.tilt += step * spin;
                phase = Some(Phase::Flies(fallen));
                // How far it has turned past its balance on the lowest corner.
                let turn = block.tilt.rem_euclid(FRAC_PI_2) - FRAC_PI_4;
                let across = side * FRAC_1_SQRT_2;
                let corner = Vec2::from_angle(turn) * across;
                if block.middle.y <= corner.x {
                    // From the corner to the middle; angular momentum about the corner stays.
                    let arm = Vec2::new(corner.y, corner.x);
                    block.middle.y = arm.y;
                    spin = (inertia * spin + arm.y * fallen.x - arm.x * fallen.y)
                        / (inertia + across * across);
                    block.landed_secs = Some(secs);
                    phase = Some(Phase::Rocks(turn));
                }
            }
            Some(Phase::Rocks(turn)) => {
                let across = side * FRAC_1_SQRT_2;
                let before = Vec2::from_angle(turn) * across;
                spin += step * GRAVITY * before.y / (inertia + across * across);
                let moved = turn + step * spin;
                let new = moved.clamp(-FRAC_PI_4, FRAC_PI_4);
                let after = Vec2::from_angle(new) * across;
                block.middle += Vec2::new(after.y - before.y, after.x - before.x);
                block.tilt += new - turn;
                phase = Some(Phase::Rocks(new));
                if (moved - new).abs() > 0.0 {
                    // Flat on a face: on about its other corner with what is left, if that lifts it over.
                    spin *= 0.25;
                    let needed = 2.0 * GRAVITY * (across - half) / (inertia + across * across);
                    let settles = spin * spin < needed;
                    phase = Some(if settles { Phase::Rests } else { Phase::Rocks(-new) });
                    if settles {
                        block.rested_secs = Some(secs);
                        block.middle.y = half;
                        block.tilt = (block.tilt / FRAC_PI_2).round() * FRAC_PI_2;
                    }
                }
            }
            Some(Phase::Rests) => break,
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sides of the blocks, units.
    const SIDES: [f32; 3] = [0.36, 0.48, 0.62];
    /// Instants that are tried, seconds after the push.
    const INSTANTS: std::ops::Range<u16> = 0..480;

    /// The directions of a block's faces.
    fn faces(block: &Block) -> [Vec2; 2] {
        let face = Vec2::from_angle(-block.tilt);
        [face, face.perp()]
    }

    /// Half the way that a block takes up along a direction.
    fn reach(block: &Block, along: Vec2, side: f32) -> f32 {
        faces(block).iter().map(|face| 0.5 * side * face.dot(along).abs()).sum()
    }

    #[test]
    fn a_stack_stands_until_it_is_pushed() {
        for side in SIDES {
            let before = stack(side, -0.2);
            assert_eq!(before, stack(side, 0.0));
            assert!(before.iter().all(|block| block.middle.x == 0.0 && block.tilt == 0.0));
        }
    }

    #[test]
    fn blocks_pass_through_neither_each_other_nor_the_ground() {
        for side in SIDES {
            for n in INSTANTS {
                let blocks = stack(side, f32::from(n) / 120.0);
                for (idx, a) in blocks.iter().enumerate() {
                    let above = (a.middle.y - reach(a, Vec2::Y, side)) / side;
                    assert!(above > -1e-4, "block {idx} at {n}: {above}");
                    for b in &blocks[idx + 1..] {
                        let gaps = faces(a).into_iter().chain(faces(b)).map(|along| {
                            let apart = (b.middle - a.middle).dot(along).abs();
                            apart - reach(a, along, side) - reach(b, along, side)
                        });
                        let gap = gaps.fold(f32::MIN, f32::max) / side;
                        assert!(gap > -1e-3, "block {idx} at {n}: {gap}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_top_block_is_off_before_the_one_below_it_tips() {
        for side in SIDES {
            for n in INSTANTS {
                let [_, middle, top] = stack(side, f32::from(n) / 120.0);
                let on = middle.middle.x + 0.5 * side > top.middle.x - reach(&top, Vec2::X, side);
                assert!(middle.tilt < 0.02 || !on || top.middle.y < 2.0 * side, "at {n}");
            }
        }
    }

    #[test]
    fn flight_follows_gravity() {
        let (side, apart) = (0.48, 0.04);
        for level in [1, 2] {
            let lands = stack(side, f32::MAX)[level].landed_secs.unwrap();
            let middle = |secs: f32| stack(side, secs)[level].middle;
            let last = ((lands - 0.02) * STEPS_HZ).floor() / STEPS_HZ;
            let apart = (apart * STEPS_HZ).round() / STEPS_HZ;
            let bend = middle(last) - 2.0 * middle(last - apart) + middle(last - 2.0 * apart);
            let found = bend / (apart * apart);
            assert!((found.y + GRAVITY).abs() < 0.02 && found.x.abs() < 0.02, "{level}: {found}");
        }
    }

    #[test]
    fn every_block_comes_to_lie_on_a_face() {
        for side in SIDES {
            let end = stack(side, 6.0);
            assert_eq!(end, stack(side, 7.0));
            for (level, block) in end.iter().enumerate() {
                assert_eq!(block.middle.y, 0.5 * side, "block {level} is on the ground");
                let quarters = block.tilt / FRAC_PI_2;
                assert!((quarters - quarters.round()).abs() < 1e-6, "{quarters}");
                assert_eq!(block.rested_secs.is_some(), level > 0);
                assert!(block.landed_secs <= block.rested_secs);
            }
        }
    }
}
