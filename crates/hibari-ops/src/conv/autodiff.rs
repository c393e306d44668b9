//! The backward pass of the convolution.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, TensorMetadata, tensor::FloatTensor};

use super::{ConvOps, joined, kernel_size};

#[derive(Debug)]
struct ConvBackward;

/// Parents: input, weight and, where the convolution has one, bias.
impl<B: ConvOps, const N: usize> Backward<B, N> for ConvBackward {
    type State = (NodeId, NodeId, [usize; 3]);

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
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let kernel = kernel_size(&weight.shape());
        let nodes = [x.node(), weight.node()];
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), kernel);
                prep.finish(state, B::conv(x.into_primitive(), weight.into_primitive()))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::conv(x.into_primitive(), weight.into_primitive()))
            }
        }
    }

    fn conv_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let kernel = kernel_size(&weight.shape());
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), kernel);
                let [x, weight, bias] = [x, weight, bias].map(|t| t.into_primitive());
                prep.finish(state, B::conv_bias(x, weight, bias))
            }
            OpsKind::UnTracked(prep) => {
                let [x, weight, bias] = [x, weight, bias].map(|t| t.into_primitive());
                prep.finish(B::conv_bias(x, weight, bias))
            }
        }
    }

    fn conv_after(
        before: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // Nothing trains on chunks; the gradient of the copy is the two parts of that to it.
        joined::<Self>(before, x, weight, bias)
    }
}
