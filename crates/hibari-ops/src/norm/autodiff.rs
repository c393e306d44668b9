//! The backward passes of the norms.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, tensor::FloatTensor};

use super::NormOps;

#[derive(Debug)]
struct PlainBackward;

/// Parent: the input.
impl<B: NormOps> Backward<B, 1> for PlainBackward {
    type State = (NodeId, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (x, eps) = ops.state;
        let x = saved.retrieve_node_output::<FloatTensor<B>>(x);
        let dx = B::plain_norm_backward(x, grads.consume::<B>(&ops.node), eps);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, dx);
        }
    }
}

#[derive(Debug)]
struct ModulatedBackward;

/// Parents: input, scale, shift.
impl<B: NormOps> Backward<B, 3> for ModulatedBackward {
    type State = (NodeId, NodeId, Vec<u32>, f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (x, scale, groups, eps) = ops.state;
        let x = saved.retrieve_node_output::<FloatTensor<B>>(x);
        let scale = saved.retrieve_node_output::<FloatTensor<B>>(scale);
        let dy = grads.consume::<B>(&ops.node);
        let (dx, dscale, dshift) = B::modulated_norm_backward(x, scale, dy, &groups, eps);
        for (parent, grad) in ops.parents.into_iter().zip([dx, dscale, dshift]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct GatedBackward;

/// Parents: input, branch, gate.
impl<B: NormOps> Backward<B, 3> for GatedBackward {
    type State = (NodeId, NodeId, Vec<u32>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (y, gate, groups) = ops.state;
        let y = saved.retrieve_node_output::<FloatTensor<B>>(y);
        let gate = saved.retrieve_node_output::<FloatTensor<B>>(gate);
        let dout = grads.consume::<B>(&ops.node);
        let (dy, dgate) = B::gated_add_backward(y, gate, dout.clone(), &groups);
        for (parent, grad) in ops.parents.into_iter().zip([dout, dy, dgate]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct RootBackward;

/// Parents: input, gain.
impl<B: NormOps> Backward<B, 2> for RootBackward {
    type State = (NodeId, NodeId, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, saved: &mut Checkpointer) {
        let (x, gamma, eps) = ops.state;
        let x = saved.retrieve_node_output::<FloatTensor<B>>(x);
        let gamma = saved.retrieve_node_output::<FloatTensor<B>>(gamma);
        let dy = grads.consume::<B>(&ops.node);
        let (dx, dgamma) = B::root_norm_backward(x, gamma, dy, eps);
        for (parent, grad) in ops.parents.into_iter().zip([dx, dgamma]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn plain_norm(x: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        match PlainBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), eps);
                prep.finish(state, B::plain_norm(x.into_primitive(), eps))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::plain_norm(x.into_primitive(), eps)),
        }
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: &[u32],
        eps: f32,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), scale.node(), shift.node()];
        match ModulatedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let (x_id, scale_id) = (prep.checkpoint(&x), prep.checkpoint(&scale));
                let state = (x_id, scale_id, groups.to_vec(), eps);
                let [x, scale, shift] = [x, scale, shift].map(|t| t.into_primitive());
                prep.finish(state, B::modulated_norm(x, scale, shift, groups, eps))
            }
            OpsKind::UnTracked(prep) => {
                let [x, scale, shift] = [x, scale, shift].map(|t| t.into_primitive());
                prep.finish(B::modulated_norm(x, scale, shift, groups, eps))
            }
        }
    }

    fn gated_add(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        groups: &[u32],
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node(), gate.node()];
        match GatedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&y), prep.checkpoint(&gate), groups.to_vec());
                let [x, y, gate] = [x, y, gate].map(|t| t.into_primitive());
                prep.finish(state, B::gated_add(x, y, gate, groups))
            }
            OpsKind::UnTracked(prep) => {
                let [x, y, gate] = [x, y, gate].map(|t| t.into_primitive());
                prep.finish(B::gated_add(x, y, gate, groups))
            }
        }
    }

    fn root_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node()];
        match RootBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&gamma), eps);
                prep.finish(state, B::root_norm(x.into_primitive(), gamma.into_primitive(), eps))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::root_norm(x.into_primitive(), gamma.into_primitive(), eps))
            }
        }
    }
}
