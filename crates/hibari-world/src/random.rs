//! Counter-based randomness: number `i` of stream (`seed`, `name`) is the same on every machine.
//!
//! Each attribute of a script has a stream of its own, so adding one leaves the others as they were. Not for secrets.
//! Source: the SplitMix64 finaliser (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A named stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    next: u64,
}

impl Random {
    /// The stream `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut key = mix(seed ^ GOLDEN);
        for byte in name.bytes() {
            key = mix(key.rotate_left(8) ^ u64::from(byte)).wrapping_add(GOLDEN);
        }
        Self { key, next: 0 }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        mix(self.key ^ mix(self.next.wrapping_mul(GOLDEN)))
    }

    /// The next number, uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        let top = u16::try_from(self.bits() >> 48).expect("16 bits are left");
        let low = u16::try_from(self.bits() >> 56).expect("8 bits are left");
        // 24 bits, exact in f32.
        (f32::from(top) * 256.0 + f32::from(low)) / 16_777_216.0
    }

    /// The next number, uniform in `low..high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Whether an event of probability `p` happens.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// The next whole number, uniform in `0..n`.
    ///
    /// # Panics
    /// if `n` is 0
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("a count fits 64 bits");
        assert!(n > 0, "nothing to choose from");
        // The bias is below n / 2^64.
        usize::try_from(self.bits() % n).expect("below a usize")
    }

    /// One entry of `from`, all equally likely.
    ///
    /// # Panics
    /// if `from` is empty
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One entry of `from`, each with its weight.
    ///
    /// # Panics
    /// if `from` is empty
    pub fn weighted<T: Copy>(&mut self, from: &[(T, f32)]) -> T {
        let total: f32 = from.iter().map(|(_, weight)| weight).sum();
        let mut left = self.unit() * total;
        for &(entry, weight) in from {
            left -= weight;
            if left < 0.0 {
                return entry;
            }
        }
        from[from.len() - 1].0
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_and_name_and_repeat() {
        let first = |seed, name| Random::new(seed, name).bits();
        assert_eq!(first(1, "place"), first(1, "place"));
        assert_ne!(first(1, "place"), first(2, "place"));
        assert_ne!(first(1, "place"), first(1, "light"));
    }

    #[test]
    fn units_are_uniform() {
        let mean = (0..20_000).map(|seed| f64::from(Random::new(seed, "u").unit())).sum::<f64>()
            / 20_000.0;
        assert!((mean - 0.5).abs() < 0.01, "mean {mean}");
    }
}
