//! Scratch memory that threads keep between calls, and outputs that are not zeroed first.

use std::cell::RefCell;
use std::mem::MaybeUninit;

/// Floats or words a cache line holds; scratch starts on a line.
const LINE: usize = 16;

/// A pointer that tasks share; they write disjoint places.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: users write disjoint places and join before anyone reads, as each of them explains.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(ptr: *mut T) -> Self {
        Self(ptr)
    }

    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<[u32; LINE]>>> = const { RefCell::new(Vec::new()) };
}

/// Tells the C library's allocator to keep freed memory instead of handing it back to the system.
///
/// Tensors of tens of megabytes are made and dropped at every step; mapped anew, each costs the page faults of its whole
/// length, which doubles the time of a large product. Call once, before the work starts. Does nothing where the C library
/// is not glibc.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `mallopt` only sets parameters of the allocator and may be called at any time; a value that is refused
        // leaves the default, which is correct as well.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        }
    }
}

/// Lends `len` words of scratch, on a cache line where the allocator allows; contents are arbitrary.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(*mut u32) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let lines = len.div_ceil(LINE) + 1;
    if buffer.len() < lines {
        buffer = vec![[0; LINE]; lines];
    }
    let start = buffer.as_mut_ptr().cast::<u32>();
    let aligned = start.wrapping_add(start.align_offset(LINE * size_of::<u32>()) % LINE);
    let result = f(aligned);
    SCRATCH.with_borrow_mut(|pool| pool.push(buffer));
    result
}

/// Asks for the cache lines of floats that will be read soon; does nothing where there is no instruction for it.
#[inline(always)]
pub(crate) fn prefetch(floats: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in floats.chunks(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address is harmless, and every processor of this family takes the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = floats;
}

/// As [`prefetch`], for `len` floats that will be written soon.
#[inline(always)]
pub(crate) fn prefetch_to_write(at: *mut f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..len).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: as in `prefetch`.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.wrapping_add(offset).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, len);
}

/// A vector of `len` floats that `fill` writes completely.
///
/// # Safety
/// `fill` must write every float.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(*mut f32)) -> Vec<f32> {
    let mut data = Vec::with_capacity(len);
    fill(data.as_mut_ptr());
    // SAFETY: the capacity is `len`, and `fill` has written all of it.
    unsafe { data.set_len(len) };
    data
}

/// [`filled`] through a slice.
///
/// # Safety
/// `fill` must write every float.
pub(crate) unsafe fn written(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut data = Vec::with_capacity(len);
    fill(&mut data.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and `fill` has written that much.
    unsafe { data.set_len(len) };
    data
}
