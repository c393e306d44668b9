//! Plain loops that the compiler vectorises for each instruction set, and sums in a fixed order.
//!
//! Loops written here use no fused multiply-add and a fixed number of partial sums, so their results do not depend on the
//! instruction set either.

/// Partial sums of a long sum; a multiple of every vector length.
pub(crate) const LANES: usize = 32;

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
                $crate::isa::Isa::Avx512Bf16 => {
                    $crate::isa::Avx512Bf16::detect().expect("chosen only where present");
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
