//! Speeds of products, convolutions and attention on this machine: operation x shape, as rows for a table.

use std::hint::black_box;
use std::time::Instant;

use half::bf16;

use crate::Products;
use crate::attention::{self, attention_backward};
use crate::conv::{self, Shape};
use crate::epilogue::Epilogue;
use crate::int8::Int8Weight;
use crate::matmul::{self, PackedWeight};

/// One measured operation.
#[derive(Clone, Debug)]
pub struct Row {
    /// The operation, such as `linear_dw`.
    pub op: &'static str,
    /// Its sizes, in words.
    pub shape: String,
    /// Median time of a run, in milliseconds.
    pub time_ms: f64,
    /// Useful work over the median time, in 10^9 floating-point operations a second.
    pub gflops: f64,
    /// Bytes of operands and results over the median time, in 10^9 bytes a second: what memory must give at least.
    pub gbs: f64,
}

/// What one run does.
#[derive(Clone, Copy)]
struct Work {
    flops: f64,
    /// Floats read and written.
    floats: usize,
}

/// Measures a dense layer `[m, k] x [k, n]`: forward, with packed weights of bf16 and of 8 bits too, and both gradients, `runs` times each.
#[must_use]
pub fn linear([m, k, n]: [usize; 3], runs: usize) -> Vec<Row> {
    let (x, w, dy) = (ramp(m * k), ramp(k * n), ramp(m * n));
    let work = Work { flops: 2.0 * (m * k * n) as f64, floats: m * k + k * n + m * n };
    let shape = format!("{m} x {k} x {n}");
    let row = |op, f: &dyn Fn()| row(op, &shape, work, runs, f);
    let packed = PackedWeight::from_f32(&w, [k, n]);
    let rows: Vec<bf16> = w.iter().copied().map(bf16::from_f32).collect();
    let int8 = Int8Weight::from_bf16_rows(&rows, [k, n]);
    vec![
        row("linear_packed", &|| drop(black_box(packed.linear(&x, None, Epilogue::None, m)))),
        row("linear_int8", &|| drop(black_box(int8.linear(&x, None, Epilogue::None, m)))),
        row("linear", &|| drop(black_box(matmul::linear(&x, &w, None, [m, k, n])))),
        row("linear_dx", &|| drop(black_box(matmul::linear_dx(&dy, &w, [m, k, n])))),
        row("linear_dw", &|| drop(black_box(matmul::linear_dw(&x, &dy, [m, k, n])))),
    ]
}

/// Measures a convolution: forward and both gradients, `runs` times each. The work is that of the direct way.
#[must_use]
pub fn conv(sizes: Shape, runs: usize) -> Vec<Row> {
    let Shape { videos, frames, height, width, c_in, c_out, kernel: [kh, kw, kt] } = sizes;
    let frame = height * width;
    let [seen, made] = [frames, sizes.frames_out()].map(|frames| videos * frames * frame);
    let taps = kh * kw * kt;
    let (x, w, dy) = (ramp(seen * c_in), ramp(taps * c_in * c_out), ramp(made * c_out));
    let work = Work {
        flops: 2.0 * (made * taps * c_in * c_out) as f64,
        floats: x.len() + w.len() + dy.len(),
    };
    let shape =
        format!("{videos} x {frames} x {height} x {width}, {c_in} to {c_out}, {kh} x {kw} x {kt}");
    let row = |op, f: &dyn Fn()| row(op, &shape, work, runs, f);
    vec![
        row("conv", &|| drop(black_box(conv::conv(&x, &w, None, sizes)))),
        row("conv_dx", &|| drop(black_box(conv::conv_dx(&dy, &w, sizes)))),
        row("conv_dw", &|| drop(black_box(conv::conv_dw(&x, &dy, sizes)))),
    ]
}

/// Measures attention: forward and backward, with products in bf16 and in f32, `runs` times each. The work is that of the two
/// products of the forward pass, and of the five of the backward pass.
#[must_use]
pub fn attention(sizes: attention::Shape, runs: usize) -> Vec<Row> {
    let attention::Shape { batch, n_heads, n_queries, n_keys, d_head } = sizes;
    let queries = || ramp(batch * n_queries * n_heads * d_head);
    let keys = || ramp(batch * n_keys * n_heads * d_head);
    let (q, k, v, d_out) = (queries(), keys(), keys(), queries());
    let product = 2.0 * (batch * n_heads * n_queries * n_keys * d_head) as f64;
    let floats = 2 * (q.len() + k.len());
    let work = |products, passes| Work { flops: products * product, floats: passes * floats };
    let shape = format!("{batch} x {n_queries} to {n_keys}, {n_heads} heads of {d_head}");
    let inputs = [q.as_slice(), &k, &v];
    let all = [
        ("attention_bf16", "attention_bf16_d", Products::Bf16),
        ("attention", "attention_d", Products::Exact),
    ];
    let int8 = row("attention_int8", &shape, work(2.0, 1), runs, &|| {
        drop(black_box(attention::attention(inputs, None, sizes, Products::Int8)));
    });
    let rows = all.map(|(forward, backward, products)| {
        let attended = attention::attention(inputs, None, sizes, products);
        let saved = [attended.out.as_slice(), &attended.log_sums];
        let forward = row(forward, &shape, work(2.0, 1), runs, &|| {
            drop(black_box(attention::attention(inputs, None, sizes, products)));
        });
        let backward = row(backward, &shape, work(5.0, 2), runs, &|| {
            drop(black_box(attention_backward(inputs, saved, &d_out, None, sizes, products)));
        });
        [forward, backward]
    });
    rows.into_iter().flatten().chain([int8]).collect()
}

/// `len` values in -1..1 that are not all alike.
fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 2_654_435_761 % 2048) as f32 / 1024.0 - 1.0).collect()
}

fn row(op: &'static str, shape: &str, work: Work, runs: usize, f: &dyn Fn()) -> Row {
    f(); // caches, scratch and the pool are warm afterwards
    let mut times: Vec<f64> = (0..runs.max(1))
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let time = times[times.len() / 2];
    let per_s = |amount: f64| amount / time / 1e9;
    Row {
        op,
        shape: shape.to_owned(),
        time_ms: time * 1e3,
        gflops: per_s(work.flops),
        gbs: per_s((work.floats * size_of::<f32>()) as f64),
    }
}
