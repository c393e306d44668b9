//! The one thread pool of the process: rayon's global pool, of an explicit size.

/// Bytes of a thread's stack: what a main thread has, whose work [`enter`] brings here.
const STACK: usize = 8 << 20;

/// Sets the size of the pool. Call once, before any kernel.
///
/// # Errors
/// if the pool exists already, or its threads cannot be started
pub fn set_count(count: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .stack_size(STACK)
        .thread_name(|idx| format!("hibari-compute-{idx}"))
        .build_global()
}

/// The number of threads the kernels run on.
#[must_use]
pub fn count() -> usize {
    rayon::current_num_threads()
}

/// Runs `f` on a thread of the pool, which then takes part in the work that `f` divides: a call from outside wakes a thread of
/// the pool and sleeps until it is done, tens of microseconds for each operation of a model.
pub fn enter<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}
