//! The judge: a small network that names what a video shows, trained on renders only, apart from everything it judges.
//!
//! Each frame of a [`View`](crate::View) goes through one convolutional net to a map of cells of 16 video pixels. A
//! second map holds what changes from each frame to the next, and where in the picture. Both are pooled by mean, by
//! maximum and by an attention of each label's own, so that any size of video fits and a small subject counts as much as
//! a large background. One affine head a label ends it. All products are bf16, so weights stored as bf16 judge the same.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use hibari_media::Frame;
use hibari_ops::{conv::conv2d, device, linear::linear, norm::layer_norm};
use hibari_weights::module::{collect, load, replace};
use hibari_weights::quantize::{Storage, store};
use hibari_weights::{StoredTensor, WeightIndex, WeightsError};
use hibari_world::{Attributes, Mix, random::Random};

use crate::view::{FRAMES, View, clip_tensor};

/// Number of labels: place, light, wet, subject, colour, action, camera.
pub const LABELS: usize = Attributes::CLASSES.len();

/// Channels at 4, 8 and 16 video pixels a cell.
const WIDTHS: [usize; 3] = [32, 64, 96];
/// Residual blocks at 8 and at 16 video pixels a cell.
const BLOCKS: [usize; 2] = [1, 2];
/// Channels of the map of changes.
const MOTION: usize = 64;
/// Inputs of a head: mean and maximum of both maps, and what the label's attention takes from each.
const POOLED: usize = 3 * (WIDTHS[2] + MOTION);
/// Clips judged at once.
const BATCH: usize = 16;
/// Added to a variance before its root is taken.
const EPS: f32 = 1e-5;

/// The network. Its parameters are found and stored by the names of these fields.
#[derive(Module, Debug)]
pub struct Judge {
    stem: Conv,
    stages: Vec<Stage>,
    motion: Conv,
    look_attention: Affine,
    motion_attention: Affine,
    heads: Vec<Affine>,
}

/// Halves the map, then refines it.
#[derive(Module, Debug)]
struct Stage {
    down: Affine,
    blocks: Vec<Conv>,
}

/// A convolution of 3x3 cells, `[3, 3, Cin, Cout]`.
#[derive(Module, Debug)]
struct Conv {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

/// An affine map of the channels, `[K, N]`.
#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Judge {
    /// A fresh judge of the classes of a mix, the same for the same seed on every machine. It deems all classes of a label
    /// equally likely.
    pub fn new(mix: Mix, seed: u64, device: &Device) -> Self {
        replace(Self::zero(mix, device), &mut |name, shape| initial(seed, name, shape))
    }

    /// A judge from its weights, of the mix that has as many classes.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the file holds another network
    pub fn load(index: &WeightIndex) -> Result<Self, WeightsError> {
        let places = Attributes::classes(Mix::Whole)[0];
        let is_whole = index.shape("heads.0.bias") == Some(&[places]);
        let mix = if is_whole { Mix::Whole } else { Mix::First };
        load(Self::zero(mix, &device()), index.named_tensors("")?)
    }

    /// The weights, ready to be written; [`Judge::load`] reads them.
    pub fn stored(&self, storage: Storage) -> Vec<StoredTensor> {
        store(&collect(self), storage)
    }

    /// The mix whose classes it tells apart.
    pub fn mix(&self) -> Mix {
        if self.classes() == Attributes::classes(Mix::Whole) { Mix::Whole } else { Mix::First }
    }

    /// Number of classes of each label.
    pub fn classes(&self) -> [usize; LABELS] {
        std::array::from_fn(|label| self.heads[label].bias.lazy_shape()[0])
    }

    fn zero(mix: Mix, device: &Device) -> Self {
        let stage = |i: usize| Stage {
            down: Affine::zero(4 * WIDTHS[i], WIDTHS[i + 1], device),
            blocks: (0..BLOCKS[i])
                .map(|_| Conv::zero(WIDTHS[i + 1], WIDTHS[i + 1], device))
                .collect(),
        };
        Self {
            stem: Conv::zero(4 * 3, WIDTHS[0], device),
            stages: (0..BLOCKS.len()).map(stage).collect(),
            motion: Conv::zero(2 * WIDTHS[2] + 2, MOTION, device),
            look_attention: Affine::zero(WIDTHS[2], LABELS, device),
            motion_attention: Affine::zero(MOTION, LABELS, device),
            heads: Attributes::classes(mix).map(|n| Affine::zero(POOLED, n, device)).into(),
        }
    }

    /// Logits of the classes of each label.
    ///
    /// # Shapes
    /// - `clips`: `[B, T, H/2, W/2, 3]`, as [`clip_tensor`] makes them
    /// - returned: for each label `[B, classes[label]]`, see [`Judge::classes`]
    pub fn forward(&self, clips: Tensor<5>) -> Vec<Tensor<2>> {
        let [n_clips, n_frames, height, width, channels] = clips.dims();
        let frames = clips.reshape([n_clips * n_frames, height, width, channels]);
        let looks = self.look(frames);
        let [_, rows, columns, _] = looks.dims();
        let looks = looks.reshape([n_clips, n_frames, rows, columns, WIDTHS[2]]);
        let changes = self.change(looks.clone());

        let looks = looks.reshape([n_clips, n_frames * rows * columns, WIDTHS[2]]);
        let changes = changes.reshape([n_clips, (n_frames - 1) * rows * columns, MOTION]);
        let (shared_look, own_look) = pool(looks, &self.look_attention);
        let (shared_change, own_change) = pool(changes, &self.motion_attention);
        let own = |of_labels: &Tensor<3>, label: usize| {
            of_labels.clone().narrow(1, label, 1).squeeze_dim::<2>(1)
        };
        self.heads
            .iter()
            .enumerate()
            .map(|(label, head)| {
                let parts = vec![
                    shared_look.clone(),
                    shared_change.clone(),
                    own(&own_look, label),
                    own(&own_change, label),
                ];
                head.apply(Tensor::cat(parts, 1))
            })
            .collect()
    }

    /// What each cell of each frame looks like: `[N, H/2, W/2, 3]` to `[N, H/16, W/16, WIDTHS[2]]`.
    fn look(&self, frames: Tensor<4>) -> Tensor<4> {
        let mut x = activation::relu(self.stem.apply(fold(frames)));
        for stage in &self.stages {
            x = stage.down.apply(fold(x));
            for block in &stage.blocks {
                x = x.clone() + block.apply(activation::relu(layer_norm(x, EPS)));
            }
        }
        activation::relu(layer_norm(x, EPS))
    }

    /// What changes in each cell: `[B, T, h, w, WIDTHS[2]]` to `[B * (T - 1), h, w, MOTION]`.
    fn change(&self, looks: Tensor<5>) -> Tensor<4> {
        let [n_clips, n_frames, rows, columns, channels] = looks.dims();
        let gaps = n_frames - 1;
        let flat = [n_clips * gaps, rows, columns, channels];
        let now = looks.clone().narrow(1, 0, gaps).reshape(flat);
        let next = looks.narrow(1, 1, gaps).reshape(flat);
        let place = places(rows, columns, &now.device()).expand([flat[0], rows, columns, 2]);
        let x = Tensor::cat(vec![now.clone(), next - now, place], 3);
        activation::relu(layer_norm(self.motion.apply(x), EPS))
    }

    /// Mean cross-entropy over clips and labels, and that of each label by itself.
    ///
    /// # Shapes
    /// - `clips`: `[B, T, H/2, W/2, 3]`
    /// - `labels`: those of each clip, [`Attributes::labels`]
    /// # Units
    /// nats
    /// # Panics
    /// if there are not as many labels as clips, or one is out of range
    #[track_caller]
    pub fn loss(&self, clips: Tensor<5>, labels: &[[usize; LABELS]]) -> (Tensor<1>, [f32; LABELS]) {
        assert_eq!(clips.dims()[0], labels.len(), "clips and labels differ in number");
        let classes = self.classes();
        for clip in labels {
            let fits = clip.iter().zip(classes).all(|(&class, n)| class < n);
            assert!(fits, "labels {clip:?} are not below {classes:?}");
        }
        let device = clips.device();
        let losses = self
            .forward(clips)
            .into_iter()
            .enumerate()
            .map(|(label, logits)| {
                let classes = labels.iter().map(|clip| clip[label] as i64).collect();
                let data = TensorData::new::<i64, _>(classes, [labels.len(), 1]);
                let classes = Tensor::<2, Int>::from_data(data, &device);
                activation::log_softmax(logits, 1).gather(1, classes).mean().neg()
            })
            .collect();
        let losses: Tensor<1> = Tensor::cat(losses, 0);
        let values = values(losses.clone());
        (losses.mean(), std::array::from_fn(|label| values[label]))
    }

    /// The likeliest class of each label of one clip.
    ///
    /// # Panics
    /// as [`View::of_clip`]
    #[track_caller]
    pub fn predict(&self, frames: &[Frame]) -> [usize; LABELS] {
        self.predict_all(&[View::of_clip(frames)])[0]
    }

    /// The likeliest class of each label of each clip; the clips may differ in size.
    pub fn predict_all(&self, views: &[View]) -> Vec<[usize; LABELS]> {
        let device = self.stem.bias.lazy_device();
        let classes = self.classes();
        let mut predicted = Vec::with_capacity(views.len());
        for same_size in views.chunk_by(|a, b| a.size() == b.size()) {
            for batch in same_size.chunks(BATCH) {
                let batch: Vec<&View> = batch.iter().collect();
                let logits = self.forward(clip_tensor(&batch, &device)).into_iter();
                let logits: Vec<Vec<f32>> = logits.map(values).collect();
                predicted.extend((0..batch.len()).map(|clip| {
                    std::array::from_fn(|label| {
                        let n = classes[label];
                        likeliest(&logits[label][clip * n..(clip + 1) * n])
                    })
                }));
            }
        }
        predicted
    }

    /// Floating-point operations of [`Judge::forward`] for one clip whose view has `size` (height, width); only products
    /// and sums of layers are counted. Training takes three times as many.
    pub fn forward_flops([height, width]: [usize; 2]) -> f64 {
        let cells = |px: usize| (height / px * (width / px)) as f64;
        let conv = |c_in: usize, c_out: usize| (2 * 9 * c_in * c_out) as f64;
        let down = |i: usize| (2 * 4 * WIDTHS[i] * WIDTHS[i + 1]) as f64;
        let stage = |i: usize| {
            cells(4 << i) * (down(i) + BLOCKS[i] as f64 * conv(WIDTHS[i + 1], WIDTHS[i + 1]))
        };
        let frame = cells(2) * conv(4 * 3, WIDTHS[0]) + stage(0) + stage(1);
        let change = cells(8) * conv(2 * WIDTHS[2] + 2, MOTION);
        FRAMES as f64 * frame + (FRAMES - 1) as f64 * change
    }
}

impl Conv {
    fn zero(c_in: usize, c_out: usize, device: &Device) -> Self {
        let weight = Param::from_tensor(Tensor::zeros([3, 3, c_in, c_out], device));
        Self { weight, bias: Param::from_tensor(Tensor::zeros([c_out], device)) }
    }

    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.val(), Some(self.bias.val()), None)
    }
}

impl Affine {
    fn zero(k: usize, n: usize, device: &Device) -> Self {
        let weight = Param::from_tensor(Tensor::zeros([k, n], device));
        Self { weight, bias: Param::from_tensor(Tensor::zeros([n], device)) }
    }

    fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), Some(self.bias.val()))
    }
}

/// Uniform values of variance `1 / fan_in`; `None` for what starts at zero: biases, heads, attentions.
fn initial(seed: u64, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
    if name.ends_with("bias") || name.starts_with("heads") || name.contains("attention") {
        return None;
    }
    let n_values: usize = shape.iter().product();
    let fan_in = n_values / shape.last().expect("a weight has axes");
    let bound = (3.0 / fan_in as f32).sqrt();
    let mut random = Random::new(seed, &format!("judge {name}"));
    Some((0..n_values).map(|_| random.range(-bound, bound)).collect())
}

/// Two by two cells into the channels of one: `[N, H, W, C]` to `[N, H/2, W/2, 4 C]`.
fn fold(x: Tensor<4>) -> Tensor<4> {
    let [n, height, width, channels] = x.dims();
    x.reshape([n, height / 2, 2, width / 2, 2, channels]).permute([0, 1, 3, 2, 4, 5]).reshape([
        n,
        height / 2,
        width / 2,
        4 * channels,
    ])
}

/// Row and column of each cell, -1 to 1: `[1, rows, columns, 2]`.
fn places(rows: usize, columns: usize, device: &Device) -> Tensor<4> {
    let along = |i: usize, n: usize| (2 * i + 1) as f32 / n as f32 - 1.0;
    let values = (0..rows)
        .flat_map(|row| {
            (0..columns).flat_map(move |column| [along(row, rows), along(column, columns)])
        })
        .collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, [1, rows, columns, 2]), device)
}

/// Pools the cells of a clip for all labels and for each.
///
/// # Shapes
/// - `x`: `[B, N, C]`; returned: mean and maximum `[B, 2 C]`, and by attention `[B, LABELS, C]`
fn pool(x: Tensor<3>, attention: &Affine) -> (Tensor<2>, Tensor<3>) {
    let shares = activation::softmax(attention.apply(x.clone()), 1);
    let attended = shares.swap_dims(1, 2).matmul(x.clone());
    let shared = Tensor::cat(vec![x.clone().mean_dim(1), x.max_dim(1)], 2);
    (shared.squeeze_dim(1), attended)
}

/// The first of the largest.
fn likeliest(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the judge computes in 32-bit floats")
}

#[cfg(test)]
mod tests;
