//! What the machine offers, and what this process has used of it.

use std::fs;
use std::thread;

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of the machine and what is free of it, in bytes; nothing where the system does not say.
pub(crate) fn memory_bytes() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some((kilobytes(&text, "MemTotal:")?, kilobytes(&text, "MemAvailable:")?))
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
    fn lines_of_proc_are_read() {
        let text = "VmPeak:\t  9 kB\nVmHWM:\t  1234 kB\nThreads:\t1\n";
        assert_eq!(kilobytes(text, "VmHWM:"), Some(1234 * 1024));
        assert_eq!(kilobytes(text, "Threads:"), None);
        assert_eq!(kilobytes(text, "VmSwap:"), None);
    }
}
