//! Prints the speed of matrix products, convolutions and attention: `products [threads]`.
#![expect(clippy::print_stdout, reason = "an example that prints a table")]

use hibari_kernels::{attention, conv::Shape, measure, memory, threads};

fn main() {
    memory::keep_freed();
    if let Some(count) = std::env::args().nth(1) {
        threads::set_count(count.parse().expect("a number of threads")).expect("a fresh pool");
    }
    let mut rows = Vec::new();
    for shape in [
        [2048, 1536, 1536],
        [2048, 1536, 6144],
        [512, 384, 1536],
        [4096, 4096, 4096],
        [7680, 256, 256],
        [7680, 256, 1024],
        [7680, 384, 384],
        [7680, 512, 512],
        [7680, 512, 1536],
        [7680, 1536, 512],
        [7680, 768, 1024],
        [480, 512, 1536],
    ] {
        rows.extend(measure::linear(shape, 5));
    }
    for [videos, height, width, channels] in [[16, 36, 64, 64], [32, 18, 32, 160], [32, 9, 16, 288]]
    {
        let kernel = [3, 3, 1];
        let (c_in, c_out) = (channels, channels);
        rows.extend(measure::conv(
            Shape { videos, frames: 1, height, width, c_in, c_out, kernel },
            3,
        ));
    }
    for [batch, n_tokens, n_heads, d_head] in
        [[8, 480, 6, 64], [96, 40, 4, 64], [1, 1280, 12, 128], [1, 4096, 12, 128]]
    {
        let (n_queries, n_keys) = (n_tokens, n_tokens);
        let shape = attention::Shape { batch, n_heads, n_queries, n_keys, d_head };
        rows.extend(measure::attention(shape, 5));
    }
    println!("{} threads", threads::count());
    for row in rows {
        println!(
            "{:<15}{:<36}{:>9.2} ms{:>8.0} GFLOP/s",
            row.op, row.shape, row.time_ms, row.gflops
        );
    }
}
