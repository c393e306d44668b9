//! The backward pass of the convolution.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, TensorMetadata, tensor::FloatTensor};

use super::{ConvOps, added, joined, kernel_size};
use crate::Maybe;

#[derive(Debug)]
struct ConvBackward;

/// Input, weight and size of the kernel.
type Saved = (NodeId, NodeId, [usize; 3]);

/// Parents: input, weight and, where the convolution has one, bias.
impl<B: ConvOps, const N: usize> Backward<B, N> for ConvBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (x, weight, kernel) = ops.state;
        let x = saved.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = saved.retrieve_node_output::<FloatTensor<B>>(weight);
        let dy = grads.consume::<B>(&ops.node);
        if let Some(node) = &ops.parents[0] {
            grads.register::<B>(node.id, B::conv_dx(dy.clone(), weight));
        }
        let bias_node = ops.parents.get(2).and_then(Option::as_ref);
        if ops.parents[1].is_none() && bias_node.is_none() {
            return;
        }
        let (dweight, dbias) = B::conv_dw(x, dy, kernel);
        if let Some(node) = &ops.parents[1] {
            grads.register::<B>(node.id, dweight);
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, dbias);
        }
    }
}

impl<B: ConvOps, C: CheckpointStrategy> ConvOps for Autodiff<B, C> {
    /// Nothing trains on chunks, and the gradient to a shortcut is that to the sum: both stay Burn's.
    fn conv(
        before: Maybe<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        shortcut: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let x = joined::<Self>(before, x);
        let nodes = [x.node(), weight.node()];
        let y = match bias {
            Maybe::Given(bias) => {
                let [x_node, weight_node] = nodes;
                let nodes = [x_node, weight_node, bias.node()];
                let prepared = ConvBackward.prepare::<C>(nodes).compute_bound().stateful();
                convolved(prepared, x, weight, Maybe::Given(bias.into_primitive()))
            }
            Maybe::Absent => {
                let prepared = ConvBackward.prepare::<C>(nodes).compute_bound().stateful();
                convolved(prepared, x, weight, Maybe::Absent)
            }
        };
        added::<Self>(shortcut, y)
    }
}

fn convolved<B: ConvOps, C: CheckpointStrategy, const N: usize>(
    prepared: OpsKind<ConvBackward, B, Saved, C, N>,
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Maybe<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let kernel = kernel_size(&weight.shape());
    match prepared {
        OpsKind::Tracked(mut prep) => {
            let saved = (prep.checkpoint(&x), prep.checkpoint(&weight), kernel);
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            prep.finish(saved, B::conv(Maybe::Absent, x, weight, bias, Maybe::Absent))
        }
        OpsKind::UnTracked(prep) => {
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            prep.finish(B::conv(Maybe::Absent, x, weight, bias, Maybe::Absent))
        }
    }
}
