//! What the machine offers, and what this process has used of it.

use std::fs;
use std::path::Path;
use std::thread;

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of the machine and what is free of it, in bytes; nothing where the system does not say. Where a container is
/// given less than the machine has, that counts.
pub(crate) fn memory_bytes() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = (kilobytes(&text, "MemTotal:")?, kilobytes(&text, "MemAvailable:")?);
    let read = |names: [&str; 2]| {
        let number = |name| fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok();
        let [limit, used] = names.map(|name| number(name)?.trim().parse::<u64>().ok());
        Some((limit?, used?))
    };
    let container = read(["memory.max", "memory.current"])
        .or_else(|| read(["memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"]));
    Some(within(machine, container))
}

/// Total and free memory of a container with that limit and use, on a machine with that total and free memory.
fn within((total, free): (u64, u64), container: Option<(u64, u64)>) -> (u64, u64) {
    match container {
        Some((limit, used)) if limit < total => (limit, free.min(limit.saturating_sub(used))),
        _ => (total, free),
    }
}

/// How many multiplications and additions of a large layer this machine does in a second, measured now.
pub(crate) fn flops_a_second() -> f64 {
    let [m, k, n] = [512, 1536, 1536];
    let (x, weight) = (vec![0.5; m * k], vec![0.25; k * n]);
    let run = || {
        let start = std::time::Instant::now();
        std::hint::black_box(hibari_kernels::matmul::linear(&x, &weight, None, [m, k, n]));
        start.elapsed().as_secs_f64()
    };
    let best = (0..5).map(|_| run()).fold(f64::INFINITY, f64::min);
    (2 * m * k * n) as f64 / best
}

/// The most memory that this process has held, in bytes; nothing where the system does not say.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The value of a line such as `VmHWM:   1234 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_may_have_less_than_the_machine() {
        assert_eq!(within((100, 60), None), (100, 60));
        assert_eq!(within((100, 60), Some((u64::MAX, 40))), (100, 60), "no limit");
        assert_eq!(within((100, 60), Some((50, 20))), (50, 30));
        assert_eq!(within((100, 10), Some((50, 20))), (50, 10));
        assert_eq!(within((100, 60), Some((50, 70))), (50, 0));
    }

    #[test]
    fn lines_of_proc_are_read() {
        let text = "VmPeak:\t  9 kB\nVmHWM:\t  1234 kB\nThreads:\t1\n";
        assert_eq!(kilobytes(text, "VmHWM:"), Some(1234 * 1024));
        assert_eq!(kilobytes(text, "Threads:"), None);
        assert_eq!(kilobytes(text, "VmSwap:"), None);
    }
}
