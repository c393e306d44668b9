//! The one thread pool of the process: rayon's global pool, of an explicit size.

/// Sets the size of the pool. Call once, before any kernel.
///
/// # Errors
/// if the pool exists already, or its threads cannot be started
pub fn set_count(count: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|idx| format!("hibari-compute-{idx}"))
        .build_global()
}

/// The number of threads the kernels run on.
#[must_use]
pub fn count() -> usize {
    rayon::current_num_threads()
}
