//! Attention on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::attention::{self, Shape};

use super::{AttentionOps, reference};
use crate::Products;
use crate::flex::{all_f32, contiguous, tensor, values};

fn sizes(q: &FloatTensor<Flex>, k: &FloatTensor<Flex>) -> Shape {
    let [batch, n_queries, n_heads, d_head] = q.shape().dims();
    Shape { batch, n_heads, n_queries, n_keys: k.shape()[1], d_head }
}

impl AttentionOps for Flex {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        key_lens: Option<&[usize]>,
        products: Products,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = sizes(&q, &k);
        if !all_f32([&q, &k, &v]) || !shape.is_supported() {
            return reference::attend::<Self>(q, k, v, key_lens);
        }
        let [q, k, v] = [q, k, v].map(contiguous);
        let inputs = [values(&q), values(&k), values(&v)];
        let attended = attention::attention(inputs, key_lens, shape, products);
        let sums = tensor(attended.log_sums, [shape.batch, shape.n_heads, shape.n_queries]);
        (tensor(attended.out, q.shape()), sums)
    }

    fn attend_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        out: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        d_out: FloatTensor<Self>,
        key_lens: Option<&[usize]>,
        products: Products,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = sizes(&q, &k);
        if !all_f32([&q, &k, &v, &out, &log_sums, &d_out]) || !shape.is_supported() {
            return reference::attend_backward::<Self>([q, k, v], [out, log_sums], d_out, key_lens);
        }
        let [q, k, v, out, log_sums, d_out] = [q, k, v, out, log_sums, d_out].map(contiguous);
        let [dq, dk, dv] = attention::attention_backward(
            [values(&q), values(&k), values(&v)],
            [values(&out), values(&log_sums)],
            values(&d_out),
            key_lens,
            shape,
            products,
        );
        (tensor(dq, q.shape()), tensor(dk, k.shape()), tensor(dv, v.shape()))
    }
}
