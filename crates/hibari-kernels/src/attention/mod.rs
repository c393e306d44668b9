//! Scaled dot-product attention over heads stored side by side, forward and backward, with products of f32 or of bf16, and
//! forward of 8-bit integers.
//!
//! Of the scores only those of a block of queries exist at a time, in the second-level cache; the backward pass computes
//! them again from the logarithm of each query's sum. Heads are independent, and every sum within a head runs in one fixed
//! order, so results do not depend on the thread count.

mod exact;
mod head;
mod integer;
mod rounded;
mod softmax;
#[cfg(test)]
mod tests;

use crate::Products;
use crate::int8::{self, dispatch_dots};
use crate::isa::{self, Isa};
use crate::matmul::dispatch_product;
use crate::matmul::tile::Simd;

/// Most keys for which products in f32 are as fast as rounded ones, where the left operand of a product stays in f32.
const EXACT_KEYS: usize = 4096;
/// Head sizes are multiples of it.
const GRAIN: usize = 16;

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Items of the batch.
    pub batch: usize,
    /// Heads of an item.
    pub n_heads: usize,
    /// Queries of an item.
    pub n_queries: usize,
    /// Keys of an item, and values.
    pub n_keys: usize,
    /// Size of a head; a multiple of 16.
    pub d_head: usize,
}

impl Shape {
    /// Whether the kernels have code for it.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.d_head > 0 && self.d_head.is_multiple_of(GRAIN) && self.n_keys > 0
    }

    /// Floats of queries, outputs and their gradients.
    fn queries_len(&self) -> usize {
        self.batch * self.n_queries * self.n_heads * self.d_head
    }

    /// Floats of keys, values and their gradients.
    fn keys_len(&self) -> usize {
        self.batch * self.n_keys * self.n_heads * self.d_head
    }

    /// Sums of weights: one for each query of each head.
    fn sums_len(&self) -> usize {
        self.batch * self.n_heads * self.n_queries
    }

    /// Floats from one token to the next.
    fn token(&self) -> usize {
        self.n_heads * self.d_head
    }

    /// Floats from one row of scores to the next: an odd number of cache lines, so that a column spreads over the cache.
    fn pitch(&self) -> usize {
        16 * ((self.n_keys.div_ceil(16)) | 1)
    }

    /// The multiplier of the scores, `1 / sqrt(d_head)`.
    fn scale(&self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    /// Where head `head % n_heads` of item `head / n_heads` starts among `n_tokens` tokens an item.
    fn start(&self, head: usize, n_tokens: usize) -> usize {
        (head / self.n_heads * n_tokens * self.n_heads + head % self.n_heads) * self.d_head
    }

    /// The keys of an item that are valid.
    fn valid_keys(&self, key_lens: Option<&[usize]>, head: usize) -> usize {
        key_lens.map_or(self.n_keys, |lens| lens[head / self.n_heads])
    }

    #[track_caller]
    fn check(&self, [q, k, v]: [&[f32]; 3], key_lens: Option<&[usize]>) {
        assert!(self.is_supported(), "no kernel for {self:?}");
        assert_eq!(q.len(), self.queries_len(), "queries do not fit {self:?}");
        assert_eq!(k.len(), self.keys_len(), "keys do not fit {self:?}");
        assert_eq!(v.len(), self.keys_len(), "values do not fit {self:?}");
        if let Some(lens) = key_lens {
            assert_eq!(lens.len(), self.batch, "key lengths do not fit {self:?}");
            let in_range = lens.iter().all(|len| (1..=self.n_keys).contains(len));
            assert!(in_range, "key lengths {lens:?} do not fit {self:?}");
        }
    }
}

/// What attention returns: the mixed values, and what the backward pass needs beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Attended {
    /// `softmax(q k' / sqrt(d_head)) v`, `[batch, n_queries, n_heads, d_head]`.
    pub out: Vec<f32>,
    /// The natural logarithm of each query's sum of exponentiated scores, `[batch, n_heads, n_queries]`.
    pub log_sums: Vec<f32>,
}

/// Attends from each query to the first `key_lens[item]` keys of its item, or to all.
///
/// # Shapes
/// - inputs: queries `[batch, n_queries, n_heads, d_head]`, keys and values `[batch, n_keys, n_heads, d_head]`
/// # Panics
/// if a length does not fit, a key length is zero or too large, or the shape is not supported
/// # Source
/// FlashAttention-2 (arXiv:2307.08691), section 3.1, algorithm 1; in f32 with a block's whole rows of scores instead of
/// running maxima
#[must_use]
pub fn attention(
    inputs: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    products: Products,
) -> Attended {
    shape.check(inputs, key_lens);
    let mut out = Vec::with_capacity(shape.queries_len());
    let mut log_sums = Vec::with_capacity(shape.sums_len());
    // SAFETY: the lengths are checked above, and `attention_into` writes both outputs to their capacity.
    unsafe {
        let to = [out.as_mut_ptr(), log_sums.as_mut_ptr()];
        attention_into(isa::best(), inputs, key_lens, shape, products, to);
        out.set_len(shape.queries_len());
        log_sums.set_len(shape.sums_len());
    }
    Attended { out, log_sums }
}

/// Gradients to queries, keys and values; those of keys that are not valid are zero.
///
/// # Shapes
/// as for [`attention`]; `d_out` is the gradient to [`Attended::out`]
/// # Panics
/// as for [`attention`]
/// # Source
/// FlashAttention-2 (arXiv:2307.08691), section 3.1, algorithm 2
#[must_use]
pub fn attention_backward(
    inputs: [&[f32]; 3],
    attended: [&[f32]; 2],
    d_out: &[f32],
    key_lens: Option<&[usize]>,
    shape: Shape,
    products: Products,
) -> [Vec<f32>; 3] {
    shape.check(inputs, key_lens);
    let [out, log_sums] = attended;
    assert_eq!(out.len(), shape.queries_len(), "outputs do not fit {shape:?}");
    assert_eq!(log_sums.len(), shape.sums_len(), "sums do not fit {shape:?}");
    assert_eq!(d_out.len(), shape.queries_len(), "gradients do not fit {shape:?}");
    let mut grads = inputs.map(|values| Vec::with_capacity(values.len()));
    let to = grads.each_mut().map(Vec::as_mut_ptr);
    // SAFETY: the lengths are checked above, and `attention_backward_into` writes all of each gradient.
    unsafe {
        let isa = isa::best();
        let saved = [out, log_sums, d_out];
        attention_backward_into(isa, inputs, saved, key_lens, shape, products, to);
        for (grad, values) in grads.iter_mut().zip(inputs) {
            grad.set_len(values.len());
        }
    }
    grads
}

/// Whether operands are rounded: where products are of f32 anyway it gains nothing while a block's rows of scores stay in
/// the cache.
fn is_rounding<S: Simd>(_simd: S, products: Products, shape: Shape) -> bool {
    products != Products::Exact && (S::WIDE == 1 || shape.n_keys > EXACT_KEYS)
}

/// [`attention`] on one instruction set.
///
/// # Safety
/// The slices must fit the shape, `out` be writable for the outputs and the sums.
unsafe fn attention_into(
    isa: Isa,
    inputs: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    products: Products,
    out: [*mut f32; 2],
) {
    if products == Products::Int8 && int8::is_fast(isa) {
        // SAFETY: as the caller promises.
        dispatch_dots!(isa, dots => unsafe {
            integer::attend(dots, isa, inputs, key_lens, shape, out);
        });
        return;
    }
    dispatch_product!(isa, simd => {
        // SAFETY: as the caller promises.
        unsafe {
            if is_rounding(simd, products, shape) {
                rounded::attend(simd, inputs, key_lens, shape, out);
            } else {
                exact::attend(simd.vectors(), inputs, key_lens, shape, out);
            }
        }
    });
}

/// [`attention_backward`] on one instruction set; `saved` is what [`Attended`] holds and the gradient to the outputs.
///
/// # Safety
/// The slices must fit the shape, `grads` be writable for the gradients.
unsafe fn attention_backward_into(
    isa: Isa,
    inputs: [&[f32]; 3],
    saved: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    products: Products,
    grads: [*mut f32; 3],
) {
    dispatch_product!(isa, simd => {
        // SAFETY: as the caller promises.
        unsafe {
            if is_rounding(simd, products, shape) {
                rounded::attend_backward(simd, inputs, saved, key_lens, shape, grads);
            } else {
                exact::attend_backward(simd.vectors(), inputs, saved, key_lens, shape, grads);
            }
        }
    });
}
