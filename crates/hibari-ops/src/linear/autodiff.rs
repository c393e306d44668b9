//! The backward pass of the affine map.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, tensor::FloatTensor};

use super::LinearOps;
use crate::Maybe;

#[derive(Debug)]
struct LinearBackward;

/// Input and weight.
type Saved = (NodeId, NodeId);

/// Parents: input, weight and, where the layer has one, bias.
impl<B: LinearOps, const N: usize> Backward<B, N> for LinearBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let x = saved.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = saved.retrieve_node_output::<FloatTensor<B>>(weight);
        let dy = grads.consume::<B>(&ops.node);
        if let Some(node) = &ops.parents[0] {
            grads.register::<B>(node.id, B::dense_dx(dy.clone(), weight));
        }
        let bias_node = ops.parents.get(2).and_then(Option::as_ref);
        if ops.parents[1].is_none() && bias_node.is_none() {
            return;
        }
        let (dweight, dbias) = B::dense_dw(x, dy);
        if let Some(node) = &ops.parents[1] {
            grads.register::<B>(node.id, dweight);
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, dbias);
        }
    }
}

impl<B: LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        match bias {
            Maybe::Given(bias) => {
                let [x_node, weight_node] = nodes;
                let nodes = [x_node, weight_node, bias.node()];
                let prepared = LinearBackward.prepare::<C>(nodes).compute_bound().stateful();
                mapped(prepared, x, weight, Maybe::Given(bias.into_primitive()))
            }
            Maybe::Absent => {
                let prepared = LinearBackward.prepare::<C>(nodes).compute_bound().stateful();
                mapped(prepared, x, weight, Maybe::Absent)
            }
        }
    }
}

fn mapped<B: LinearOps, C: CheckpointStrategy, const N: usize>(
    prepared: OpsKind<LinearBackward, B, Saved, C, N>,
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Maybe<B>,
) -> FloatTensor<Autodiff<B, C>> {
    match prepared {
        OpsKind::Tracked(mut prep) => {
            let saved = (prep.checkpoint(&x), prep.checkpoint(&weight));
            prep.finish(saved, B::dense(x.into_primitive(), weight.into_primitive(), bias))
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(B::dense(x.into_primitive(), weight.into_primitive(), bias))
        }
    }
}
