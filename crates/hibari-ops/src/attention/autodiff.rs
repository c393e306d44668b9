//! The backward pass of attention.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, AutodiffBackend, tensor::FloatTensor};

use super::AttentionOps;
use crate::Products;

#[derive(Debug)]
struct AttentionBackward;

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Saved<T> {
    inputs: [NodeId; 3],
    out: T,
    log_sums: T,
    key_lens: Option<Vec<usize>>,
    products: Products,
}

/// Parents: queries, keys and values.
impl<B: AttentionOps> Backward<B, 3> for AttentionBackward {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let Saved { inputs, out, log_sums, key_lens, products } = ops.state;
        let [q, k, v] = inputs.map(|node| saved.retrieve_node_output::<FloatTensor<B>>(node));
        let d_out = grads.consume::<B>(&ops.node);
        let key_lens = key_lens.as_deref();
        let (dq, dk, dv) = B::attend_backward(q, k, v, out, log_sums, d_out, key_lens, products);
        for (parent, grad) in ops.parents.into_iter().zip([dq, dk, dv]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        key_lens: Option<&[usize]>,
        products: Products,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [q.node(), k.node(), v.node()];
        let (out, log_sums) = match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let inputs = [&q, &k, &v].map(|tensor| prep.checkpoint(tensor));
                let [q, k, v] = [q, k, v].map(|tensor| tensor.into_primitive());
                let (out, log_sums) = B::attend(q, k, v, key_lens, products);
                let saved = Saved {
                    inputs,
                    out: out.clone(),
                    log_sums: log_sums.clone(),
                    key_lens: key_lens.map(<[usize]>::to_vec),
                    products,
                };
                (prep.finish(saved, out), log_sums)
            }
            OpsKind::UnTracked(prep) => {
                let [q, k, v] = [q, k, v].map(|tensor| tensor.into_primitive());
                let (out, log_sums) = B::attend(q, k, v, key_lens, products);
                (prep.finish(out), log_sums)
            }
        };
        (out, <Self as AutodiffBackend>::from_inner(log_sums))
    }
}
