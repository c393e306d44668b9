//! Which instructions the kernels may use: run-time detection, tokens that prove a feature, and a limit for tests.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set the kernels have code for, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Portable code, vectorised by the compiler where it can.
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL) with the BF16 dot products.
    Avx512Bf16,
}

impl Isa {
    /// Every instruction set, in rising order.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512Bf16];

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Avx2 => Avx2::detect().is_some(),
            Self::Avx512Bf16 => Avx512Bf16::detect().is_some(),
        }
    }
}

static LIMIT: AtomicU8 = AtomicU8::new(u8::MAX);

/// Forbids everything above `isa` for the whole process; the default is no limit.
pub fn limit(isa: Isa) {
    LIMIT.store(isa as u8, Ordering::Relaxed);
}

/// The highest instruction set that this machine has and [`limit`] allows.
#[must_use]
pub fn best() -> Isa {
    let limit = LIMIT.load(Ordering::Relaxed);
    let allowed = |isa: &Isa| *isa as u8 <= limit && isa.is_available();
    Isa::ALL.into_iter().rev().find(allowed).unwrap_or(Isa::Scalar)
}

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if the processor has the features.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some(Self(()));
        }
        None
    }
}

/// Proof that the processor has AVX-512 F, BW, DQ, VL and BF16.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Bf16(());

impl Avx512Bf16 {
    /// The token, if the processor has the features.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
        {
            return Some(Self(()));
        }
        None
    }
}
