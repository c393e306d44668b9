//! Vectors of four floats on NEON, which every 64-bit Arm processor has.

use std::arch::aarch64::{
    float32x4_t, uint32x4_t, vaddq_f32, vaddq_u32, vbslq_f32, vcgtq_f32, vdupq_n_f32, vdupq_n_u32,
    vfmaq_f32, vld1q_f32, vmulq_f32, vreinterpretq_f32_u32, vreinterpretq_u32_f32, vrev64q_f32,
    vshlq_n_u32, vst1q_f32, vsubq_f32,
};

use crate::isa::Neon;
use crate::lanes::{Lanes, Task};

/// `a * b + c`, in the order of arguments of other processors.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
    vfmaq_f32(c, a, b)
}

/// All lanes the same bits.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn splat_bits(bits: i32) -> uint32x4_t {
    vdupq_n_u32(bits.cast_unsigned())
}

pub(crate) use std::arch::aarch64::{
    float32x4_t as Floats, vandq_u32 as and, vdupq_n_f32 as splat, vld1q_f32 as load,
    vld1q_u32 as load_bits, vreinterpretq_f32_u32 as to_floats, vshlq_n_u32 as shift,
    vst1q_f32 as store,
};

// SAFETY (all methods): `self` proves the features; memory is the caller's promise.
impl Lanes for Neon {
    type V = float32x4_t;
    const N: usize = 4;
    const WIDE: usize = 4;

    unsafe fn run<T: Task>(self, task: T) {
        #[target_feature(enable = "neon")]
        unsafe fn compiled<T: Task>(lanes: Neon, task: T) {
            // SAFETY: as the caller promises.
            unsafe { task.on(lanes) }
        }
        // SAFETY: as above.
        unsafe { compiled(self, task) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: as above.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above. NEON's own maximum is NaN where either is.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn add_exponent(self, v: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe {
            let [v, n] = [vreinterpretq_u32_f32(v), vreinterpretq_u32_f32(n)];
            vreinterpretq_f32_u32(vaddq_u32(v, vshlq_n_u32::<23>(n)))
        }
    }

    #[inline(always)]
    fn swap_pairs(self, v: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vrev64q_f32(v) }
    }
}
