//! Counter-based randomness: number `i` of stream (`seed`, `name`) is the same on every machine, in any order.

use rayon::prelude::*;

/// A named stream of random numbers. Copies count on from where they are.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    next: u64,
}

impl Stream {
    /// The stream `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, mixed with the seed
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { key: mix(hash ^ mix(seed)), next: 0 }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.next += 1;
        at(self.key, self.next)
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.bits(), self.bits());
        normals(a, b).0
    }

    /// Uniform index below `n`.
    ///
    /// # Panics
    /// if `n` is 0
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no index below 0");
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// `n` standard normals.
    pub fn fill_normal(&mut self, n: usize) -> Vec<f32> {
        let (key, base) = (self.key, self.next);
        self.next += 2 * n.div_ceil(2) as u64;
        let mut values = vec![0.0; n];
        values.par_chunks_mut(4096).enumerate().for_each(|(chunk, out)| {
            let first = base + chunk as u64 * 4096;
            for (i, pair) in out.chunks_mut(2).enumerate() {
                let counter = first + 2 * i as u64;
                let (a, b) = normals(at(key, counter + 1), at(key, counter + 2));
                pair[0] = a as f32;
                if let Some(second) = pair.get_mut(1) {
                    *second = b as f32;
                }
            }
        });
        values
    }
}

/// SplitMix64's output function (Steele et al. 2014) at a position of a keyed sequence.
fn at(key: u64, counter: u64) -> u64 {
    mix(key.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Box and Muller's transform.
fn normals(a: u64, b: u64) -> (f64, f64) {
    let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * unit(b)).sin_cos();
    (radius * cos, radius * sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_moments_and_order() {
        let values = Stream::new(7, "noise").fill_normal(200_001);
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let var = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
        let fourth = values.iter().map(|&v| f64::from(v).powi(4)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01 && (var - 1.0).abs() < 0.02 && (fourth - 3.0).abs() < 0.15);
        let mut stream = Stream::new(7, "noise");
        assert_eq!(stream.fill_normal(10), values[..10]);
        assert_ne!(Stream::new(8, "noise").bits(), Stream::new(7, "noise").bits());
        assert_ne!(Stream::new(7, "other").bits(), Stream::new(7, "noise").bits());
    }
}
