//! The backward pass of the preparation of queries and keys.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, tensor::FloatTensor};

use super::RopeOps;

#[derive(Debug)]
struct RopeBackward;

/// What the backward pass needs of the forward pass: heads and gain, the tables, and what the norm adds.
#[derive(Clone, Debug)]
struct Saved<T> {
    inputs: [NodeId; 2],
    tables: [T; 2],
    eps: f32,
}

/// Parents: heads and gain.
impl<B: RopeOps> Backward<B, 2> for RopeBackward {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let Saved { inputs, tables: [cos, sin], eps } = ops.state;
        let [x, gamma] = inputs.map(|node| saved.retrieve_node_output::<FloatTensor<B>>(node));
        let dy = grads.consume::<B>(&ops.node);
        let (dx, dgamma) = B::norm_rope_backward(x, gamma, cos, sin, dy, eps);
        for (parent, grad) in ops.parents.into_iter().zip([dx, dgamma]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct RotateBackward;

impl<B: RopeOps> Backward<B, 1> for RotateBackward {
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [cos, sin] = ops.state;
        let dx = B::rotate(grads.consume::<B>(&ops.node), cos, B::float_neg(sin));
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, dx);
        }
    }
}

impl<B: RopeOps, C: CheckpointStrategy> RopeOps for Autodiff<B, C> {
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [cos, sin] = [cos, sin].map(|tensor| tensor.into_primitive());
        match RotateBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let tables = [cos.clone(), sin.clone()];
                prep.finish(tables, B::rotate(x.into_primitive(), cos, sin))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::rotate(x.into_primitive(), cos, sin)),
        }
    }

    fn norm_rope(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        let [cos, sin] = [cos, sin].map(|tensor| tensor.into_primitive());
        match RopeBackward.prepare::<C>([x.node(), gamma.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let inputs = [&x, &gamma].map(|tensor| prep.checkpoint(tensor));
                let [x, gamma] = [x, gamma].map(|tensor| tensor.into_primitive());
                let saved = Saved { inputs, tables: [cos.clone(), sin.clone()], eps };
                prep.finish(saved, B::norm_rope(x, gamma, cos, sin, eps))
            }
            OpsKind::UnTracked(prep) => {
                let [x, gamma] = [x, gamma].map(|tensor| tensor.into_primitive());
                prep.finish(B::norm_rope(x, gamma, cos, sin, eps))
            }
        }
    }
}
