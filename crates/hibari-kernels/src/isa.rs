//! Which instructions the kernels may use: run-time detection, tokens that prove a feature, and a limit for tests.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set the kernels have code for, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Portable code, vectorised by the compiler where it can.
    Scalar,
    /// NEON of 64-bit Arm.
    Neon,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
    /// The same with the BF16 dot products.
    Avx512Bf16,
    /// The same with AMX tiles for the products of bf16 and int8 matrices.
    Amx,
}

impl Isa {
    /// Every instruction set, in rising order.
    pub const ALL: [Self; 6] =
        [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Neon => Neon::detect().is_some(),
            Self::Avx2 => Avx2::detect().is_some(),
            Self::Avx512 => Avx512::detect().is_some(),
            Self::Avx512Bf16 => Avx512Bf16::detect().is_some(),
            Self::Amx => Amx::detect().is_some(),
        }
    }
}

static LIMIT: AtomicU8 = AtomicU8::new(u8::MAX);

/// Forbids everything above `isa` for the whole process; the default is no limit.
pub fn limit(isa: Isa) {
    LIMIT.store(isa as u8, Ordering::Relaxed);
}

/// The instruction set to use: the highest that this machine has and [`limit`] allows. Without a limit, one that is slower
/// here than a lower one is passed over.
#[must_use]
pub fn best() -> Isa {
    let limit = LIMIT.load(Ordering::Relaxed);
    let is_slow = |isa: Isa| limit == u8::MAX && isa == Isa::Avx512Bf16 && has_slow_dots();
    allowed().filter(|isa| !is_slow(*isa)).last().unwrap_or(Isa::Scalar)
}

/// All that this machine has and [`limit`] allows, in rising order.
pub fn allowed() -> impl Iterator<Item = Isa> {
    let limit = LIMIT.load(Ordering::Relaxed);
    Isa::ALL.into_iter().filter(move |isa| *isa as u8 <= limit && isa.is_available())
}

/// Whether a BF16 dot product takes longer than the two multiply-adds that do as much. On Intel's processors one starts every
/// second cycle, and two multiply-adds in each (measured on Emerald Rapids: docs/lab-log.md); on AMD's the dot products win.
fn has_slow_dots() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let vendor = std::arch::x86_64::__cpuid(0);
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The token, if the processor has it: every 64-bit Arm one does.
    #[must_use]
    pub fn detect() -> Option<Self> {
        cfg!(target_arch = "aarch64").then_some(Self(()))
    }
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

/// Proof that the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if the processor has the features.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Some(Self(()));
        }
        None
    }
}

/// Proof that the processor has AVX-512 BF16 beside [`Avx512`].
#[derive(Clone, Copy, Debug)]
pub struct Avx512Bf16(Avx512);

impl Avx512Bf16 {
    /// The token, if the processor has the features.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512bf16") {
            return Avx512::detect().map(Self);
        }
        None
    }

    /// The vector instructions that go with it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn vectors(self) -> Avx512 {
        self.0
    }
}

/// Proof that the processor has AMX with BF16 and INT8 beside [`Avx512Bf16`], and that the kernel lets this process use it.
#[derive(Clone, Copy, Debug)]
pub struct Amx(Avx512Bf16);

impl Amx {
    /// The token, if the processor has the features and the kernel grants them. Tests have it wherever there is AVX-512,
    /// and do in software what tiles do.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Avx512Bf16::detect().filter(|_| cfg!(test) || Self::is_granted()).map(Self)
    }

    /// Whether there are tiles that this process may use; the kernel is asked once.
    pub(crate) fn is_granted() -> bool {
        static GRANTED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(amx_is_granted);
        *GRANTED
    }

    /// The instructions that round to bf16 beside it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rounding(self) -> Avx512Bf16 {
        self.0
    }
}

/// Asks the kernel for the tiles' state: each thread's is 8 KiB larger, so Linux wants to be asked.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn amx_is_granted() -> bool {
    const FEATURES: u32 = 1 << 22 | 1 << 24 | 1 << 25; // AMX-BF16, AMX-TILE, AMX-INT8
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    let [leaves, features] =
        [(0, 0), (7, 0)].map(|(leaf, sub_leaf)| std::arch::x86_64::__cpuid_count(leaf, sub_leaf));
    let has_tiles = leaves.eax >= 7 && features.edx & FEATURES == FEATURES;
    // SAFETY: the call changes nothing but what this process may use, and fails where the kernel does not know it.
    has_tiles
        && unsafe {
            libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
        }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
fn amx_is_granted() -> bool {
    false
}
