//! A script to its frames: a pure function of the script.

use hibari_media::Frame;

use crate::render::Renderer;
use crate::script::Script;
use crate::timeline::Timeline;

/// Renders clips; keeps scratch memory; one per thread.
#[derive(Default)]
pub struct ClipRenderer {
    pub(crate) renderer: Renderer,
}

impl ClipRenderer {
    /// A renderer without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands over all frames of a script, of all shots, in order.
    ///
    /// # Panics
    /// if the script is not valid, see [`Script::validate`]
    pub fn render(&mut self, script: &Script, frame: &mut dyn FnMut(Frame)) {
        let timeline = Timeline::new(script);
        for index in 0..timeline.n_frames() {
            frame(self.draw(&timeline, script, index));
        }
    }

    /// Frame `index` of a script, the same as [`Self::render`] makes.
    ///
    /// # Panics
    /// if the script is not valid or has no such frame
    pub fn still(&mut self, script: &Script, index: u32) -> Frame {
        self.draw(&Timeline::new(script), script, index)
    }

    fn draw(&mut self, timeline: &Timeline, script: &Script, index: u32) -> Frame {
        let side = |pixels: u32| usize::try_from(pixels).expect("a valid side fits");
        self.renderer.render(&timeline.scene(index), side(script.width), side(script.height))
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::grammar::Detail;
    use crate::sample::{ClipForm, Split};
    use crate::vocabulary::{Mix, Place, Term};

    /// FNV-1a over all bytes of a clip.
    fn hash(script: &Script) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        ClipRenderer::new().render(script, &mut |frame| {
            for byte in frame.rgb {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        });
        hash
    }

    /// FNV-1a over bytes, going on from `hash`.
    fn fnv(hash: u64, bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn the_first_mix_is_as_the_trained_weights_know_it() {
        // Scripts, captions and frames of version 1: what changes these has to raise the version of the world.
        let form = ClipForm { width: 96, height: 54, fps: 12, frames: 8 };
        let (mut words, mut frames) = (0xcbf2_9ce4_8422_2325, 0xcbf2_9ce4_8422_2325);
        let mut renderer = ClipRenderer::new();
        for seed in 0..120 {
            for split in [Split::Train, Split::Combinatorial, Split::Outside] {
                let script = Script::sample(seed, split, form);
                words = fnv(words, script.to_json().as_bytes());
                for detail in [Detail::Dense, Detail::Medium, Detail::Short] {
                    words = fnv(words, script.caption(detail, seed).text().as_bytes());
                }
                if seed % 3 == 0 {
                    frames = fnv(frames, &renderer.still(&script, 5).rgb);
                }
            }
        }
        assert_eq!((words, frames), (2_863_562_226_495_219_372, 15_331_140_572_157_414_468));
    }

    /// One script for each place.
    fn scripts() -> Vec<Script> {
        let form = ClipForm { width: 128, height: 72, fps: 12, frames: 8 };
        let in_place = |place: &Place| {
            (0..10_000)
                .map(|seed| Script::sample_from(Mix::Whole, seed, Split::Train, form))
                .find(|script| script.shots[0].place == *place)
                .expect("every place is drawn")
        };
        Place::ALL.iter().map(in_place).collect()
    }

    #[test]
    fn clips_have_the_same_bits_at_any_thread_count() {
        let hashes = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build();
            let pool = pool.expect("threads start");
            pool.install(|| scripts().par_iter().map(hash).collect::<Vec<_>>())
        };
        assert_eq!(hashes(1), hashes(2));
    }

    #[test]
    fn doubled_clips_are_the_same_clip() {
        let mut renderer = ClipRenderer::new();
        for mut script in scripts() {
            // Rain and snow are strokes of their own width at each size.
            script.shots[0].weather = crate::vocabulary::Weather::Clear;
            let (fast, large) = (script.at_double_rate(), script.at_double_size());
            fast.validate().unwrap();
            large.validate().unwrap();
            for frame in [0, 3, 7] {
                let still = renderer.still(&script, frame);
                assert!(renderer.still(&fast, 2 * frame) == still, "{}", script.shots[0].place);
                let big = renderer.still(&large, frame);
                let mut square = 0.0;
                for y in 0..still.height {
                    for x in 0..still.width {
                        let corner = |dx, dy| big.pixel(2 * x + dx, 2 * y + dy);
                        let four = [corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)];
                        for (channel, value) in still.pixel(x, y).into_iter().enumerate() {
                            let sum: f64 = four.iter().map(|pixel| f64::from(pixel[channel])).sum();
                            square += (0.25 * sum - f64::from(value)).powi(2);
                        }
                    }
                }
                let mean = square / still.rgb.len() as f64;
                let psnr = 10.0 * (255.0 * 255.0 / mean).log10();
                assert!(psnr > 26.0, "{}: {psnr:.1} dB", script.shots[0].place);
            }
        }
    }

    #[test]
    fn a_still_is_the_frame_of_the_clip() {
        for script in scripts() {
            let mut frames = Vec::new();
            let mut renderer = ClipRenderer::new();
            renderer.render(&script, &mut |frame| frames.push(frame));
            assert_eq!(frames.len(), 8);
            assert!(frames[0] != frames[7], "a clip of {} does not move", script.shots[0].place);
            for index in [7, 0, 3] {
                assert!(renderer.still(&script, index) == frames[index as usize], "frame {index}");
            }
        }
    }
}
