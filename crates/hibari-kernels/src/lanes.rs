//! Vectors of f32 per instruction set, and a base-two exponential on them.
//!
//! A kernel is a [`Task`]: written once over [`Lanes`], compiled for each instruction set by [`Lanes::run`]. All that a task
//! does with vectors must be inlined into it, so tasks use plain loops over arrays, not closures.

use std::f32::consts::LN_2;

use crate::matmul::Scalar;

/// Work that is compiled for an instruction set as a whole.
pub(crate) trait Task {
    /// Does the work; implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The pointers of the task must be good for what the task documents.
    unsafe fn on<L: Lanes>(self, lanes: L);
}

/// The vector instructions of a processor. A value of the type proves that the processor has them.
pub(crate) trait Lanes: Copy + Send + Sync {
    /// A vector.
    type V: Copy;
    /// Floats of a vector.
    const N: usize;
    /// Vectors across a tile of a product.
    const WIDE: usize;

    /// Runs a task compiled for these instructions.
    ///
    /// # Safety
    /// As for [`Task::on`].
    unsafe fn run<T: Task>(self, task: T);

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;

    /// Reads `N` floats.
    ///
    /// # Safety
    /// `from` must be readable for `N`.
    unsafe fn load(self, from: *const f32) -> Self::V;

    /// Writes `N` floats.
    ///
    /// # Safety
    /// `to` must be writable for `N`.
    unsafe fn store(self, to: *mut f32, v: Self::V);

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b + c`.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The larger of each pair of lanes; `b` where one is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// Adds the low nine bits of `n` to the sign and exponent of `v`.
    fn add_exponent(self, v: Self::V, n: Self::V) -> Self::V;

    /// Swaps neighbouring lanes.
    fn swap_pairs(self, v: Self::V) -> Self::V;

    /// Transposes `rows <= N` rows of `N` floats, `stride` apart, to `N` rows of `N`, `pitch` apart; missing columns are
    /// zero.
    ///
    /// # Safety
    /// `from` must be readable for the rows, `to` writable for `N` rows.
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        stride: usize,
        rows: usize,
        to: *mut f32,
        pitch: usize,
    ) {
        for c in 0..Self::N {
            for r in 0..Self::N {
                // SAFETY: the row exists; the place is the caller's promise.
                unsafe {
                    let value = if r < rows { *from.add(r * stride + c) } else { 0.0 };
                    *to.add(c * pitch + r) = value;
                }
            }
        }
    }
}

/// Exponents below this count as it: a weight of 2^-60 vanishes beside the largest, and stays far from subnormal numbers.
const FLOOR: f32 = -60.0;
/// 1.5 * 2^23: adding it rounds to an integer, which is then in the low bits.
const ROUNDER: f32 = 12_582_912.0;
/// The Taylor coefficients of 2^x, highest first; on -0.5..0.5 the terms left out are below 1.3e-7.
const SERIES: [f32; 7] = {
    let mut series = [1.0; 7];
    let mut idx = 6;
    while idx > 0 {
        idx -= 1;
        series[idx] = series[idx + 1] * LN_2 / (6 - idx) as f32;
    }
    series
};

/// `2^x` for `x` well below 127, with a relative error below 3e-7; at least 2^-60. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp2<L: Lanes>(lanes: L, x: L::V) -> L::V {
    exp2_by(lanes, x, &SERIES)
}

/// [`exp2`] with a relative error below 5e-5, for results that are rounded to bf16.
#[inline(always)]
pub(crate) fn exp2_rough<L: Lanes>(lanes: L, x: L::V) -> L::V {
    exp2_by(lanes, x, &SERIES[2..])
}

#[inline(always)]
fn exp2_by<L: Lanes>(lanes: L, x: L::V, series: &[f32]) -> L::V {
    let x = lanes.max(lanes.splat(FLOOR), x);
    let rounder = lanes.splat(ROUNDER);
    let rounded = lanes.add(x, rounder);
    let rest = lanes.sub(x, lanes.sub(rounded, rounder));
    let mut power = lanes.splat(series[0]);
    for coefficient in &series[1..] {
        power = lanes.mul_add(power, rest, lanes.splat(*coefficient));
    }
    lanes.add_exponent(power, rounded)
}

/// The sum of the lanes, in one order.
#[inline(always)]
pub(crate) fn sum<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut total = 0.0;
    for value in &spill(lanes, v)[..L::N] {
        total += value;
    }
    total
}

/// The largest lane.
#[inline(always)]
pub(crate) fn largest<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut largest = f32::NEG_INFINITY;
    for value in &spill(lanes, v)[..L::N] {
        largest = largest.max(*value);
    }
    largest
}

#[inline(always)]
fn spill<L: Lanes>(lanes: L, v: L::V) -> [f32; 16] {
    let mut values = [0.0; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe { lanes.store(values.as_mut_ptr(), v) };
    values
}

/// Portable lanes, which the compiler vectorises where it can.
impl Lanes for Scalar {
    type V = [f32; 8];
    const N: usize = 8;
    const WIDE: usize = 1;

    unsafe fn run<T: Task>(self, task: T) {
        // SAFETY: as the caller promises.
        unsafe { task.on(self) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 8] {
        // SAFETY: as the caller promises; an array of floats needs no more alignment than a float.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: [f32; 8]) {
        // SAFETY: as the caller promises.
        unsafe { *to.cast() = v }
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn add_exponent(self, v: [f32; 8], n: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| f32::from_bits(v[i].to_bits().wrapping_add(n[i].to_bits() << 23)))
    }

    #[inline(always)]
    fn swap_pairs(self, v: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| v[i ^ 1])
    }
}

/// Implements [`Lanes`] with the intrinsics of one instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! lanes {
    (
        $token:ty, $features:literal, $v:ident x $n:literal, $wide:literal,
        [$splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $fma:ident $max:ident]
        [$bits:ident $floats:ident $shift:ident $plus:ident $permute:ident]
        { $($own:tt)* }
    ) => {
        const _: () = {
            use std::arch::x86_64::{
                $add, $bits, $floats, $fma, $load, $max, $mul, $permute, $plus, $shift, $splat, $store, $sub, $v,
            };

            #[target_feature(enable = $features)]
            unsafe fn compiled<T: Task>(lanes: $token, task: T) {
                // SAFETY: as the caller promises.
                unsafe { task.on(lanes) }
            }

            // SAFETY (all methods): `self` proves the features; memory is the caller's promise.
            impl Lanes for $token {
                type V = $v;
                const N: usize = $n;
                const WIDE: usize = $wide;

                unsafe fn run<T: Task>(self, task: T) {
                    // SAFETY: as above.
                    unsafe { compiled(self, task) }
                }

                #[inline(always)]
                fn splat(self, x: f32) -> $v {
                    // SAFETY: as above.
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                unsafe fn load(self, from: *const f32) -> $v {
                    // SAFETY: as above.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32, v: $v) {
                    // SAFETY: as above.
                    unsafe { $store(to, v) }
                }

                #[inline(always)]
                fn add(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $add(a, b) }
                }

                #[inline(always)]
                fn sub(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $sub(a, b) }
                }

                #[inline(always)]
                fn mul(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $mul(a, b) }
                }

                #[inline(always)]
                fn mul_add(self, a: $v, b: $v, c: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $fma(a, b, c) }
                }

                #[inline(always)]
                fn max(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                fn add_exponent(self, v: $v, n: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $floats($plus($bits(v), $shift::<23>($bits(n)))) }
                }

                #[inline(always)]
                fn swap_pairs(self, v: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $permute::<0b10_11_00_01>(v) }
                }

                $($own)*
            }
        };
    };
}

#[cfg(target_arch = "x86_64")]
lanes! {
    crate::isa::Avx2, "avx2,fma", __m256 x 8, 2,
    [_mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps
     _mm256_fmadd_ps _mm256_max_ps]
    [_mm256_castps_si256 _mm256_castsi256_ps _mm256_slli_epi32 _mm256_add_epi32
     _mm256_permute_ps]
    {}
}

#[cfg(target_arch = "x86_64")]
lanes! {
    crate::isa::Avx512, "avx512f", __m512 x 16, 4,
    [_mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps
     _mm512_fmadd_ps _mm512_max_ps]
    [_mm512_castps_si512 _mm512_castsi512_ps _mm512_slli_epi32 _mm512_add_epi32
     _mm512_permute_ps]
    {
        #[inline(always)]
        unsafe fn transpose(
            self,
            from: *const f32,
            stride: usize,
            rows: usize,
            to: *mut f32,
            pitch: usize,
        ) {
            use std::arch::x86_64::{_mm512_loadu_si512, _mm512_setzero_si512, _mm512_storeu_si512};
            // SAFETY: as above.
            unsafe {
                let mut block = [_mm512_setzero_si512(); 16];
                for (r, row) in block.iter_mut().enumerate().take(rows) {
                    *row = _mm512_loadu_si512(from.add(r * stride).cast());
                }
                for (c, column) in crate::matmul::transpose(block).iter().enumerate() {
                    _mm512_storeu_si512(to.add(c * pitch).cast(), *column);
                }
            }
        }
    }
}
