//! Plain loops that the compiler vectorises for each instruction set, and sums in a fixed order.
//!
//! Loops written here use no fused multiply-add and a fixed number of partial sums, so their results do not depend on the
//! instruction set either.

/// Partial sums of a long sum; a multiple of every vector length.
pub(crate) const LANES: usize = 32;

/// Adding it rounds to an integer, to nearest even, which is then in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Compiles a function for each instruction set; the first argument chooses one.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::isa::Isa, $($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($arg: $ty),*) $(-> $out)? {
                body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $ty),*) $(-> $out)? {
                body($($arg),*)
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512
                | $crate::isa::Isa::Avx512Bf16
                | $crate::isa::Isa::Amx => {
                    $crate::isa::Avx512::detect().expect("chosen only where present");
                    // SAFETY: the token proves the features.
                    unsafe { avx512($($arg),*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => {
                    $crate::isa::Avx2::detect().expect("chosen only where present");
                    // SAFETY: the token proves the feature.
                    unsafe { avx2($($arg),*) }
                }
                _ => body($($arg),*),
            }
        }
    };
}
pub(crate) use for_each_isa;

/// `sum_i f(inputs_i)`, `K` sums at once, each in [`LANES`] partial sums; the inputs have one length.
#[inline(always)]
pub(crate) fn sums<const N: usize, const K: usize>(
    inputs: [&[f32]; N],
    f: impl Fn([f32; N]) -> [f32; K],
) -> [f32; K] {
    let mut lanes = [[0.0; LANES]; K];
    let whole = inputs.map(|x| x.as_chunks::<LANES>().0);
    for idx in 0..whole[0].len() {
        let at = whole.map(|x| &x[idx]);
        for lane in 0..LANES {
            let terms = f(at.map(|x| x[lane]));
            for (lanes, term) in lanes.iter_mut().zip(terms) {
                lanes[lane] += term;
            }
        }
    }
    let rest = inputs.map(|x| x.as_chunks::<LANES>().1);
    for lane in 0..rest[0].len() {
        let terms = f(rest.map(|x| x[lane]));
        for (lanes, term) in lanes.iter_mut().zip(terms) {
            lanes[lane] += term;
        }
    }
    let mut totals = [0.0; K];
    for (sum, lanes) in totals.iter_mut().zip(lanes) {
        *sum = total(lanes);
    }
    totals
}

/// `sum_i f(x_i)`, as [`sums`].
#[inline(always)]
pub(crate) fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let [sum] = sums([x], |[x]| [f(x)]);
    sum
}

/// Adds the lanes pairwise.
#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    folded(lanes, |a, b| a + b)
}

/// Folds the first half of the lanes with the second until one is left; their number is a power of two.
#[inline(always)]
pub(crate) fn folded<T: Copy, const N: usize>(mut lanes: [T; N], f: impl Fn(T, T) -> T) -> T {
    let mut half = N / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = f(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// `exp(x)` with a relative error of at most 2e-7; `x` is first brought into -87..88.
///
/// `x = n ln 2 + r`, and a polynomial in `r` as in the Cephes library, `expf`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut tail = TERMS[0];
    for term in &TERMS[1..] {
        tail = tail * r + term;
    }
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    (tail * r * r + r + 1.0) * power
}
