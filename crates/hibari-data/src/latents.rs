//! Latents and encoded captions of clips, on disk.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use half::f16;
use hibari_media::Frame;
use hibari_models::lark::{
    config::{CELL_PX, FRAMES},
    text::{EncodedText, Words},
    vae::{self, Ae},
};
use hibari_models::text::MiniLm;
use hibari_weights::{Dtype, StoredTensor, WeightIndex};
use hibari_world::clip::ClipRenderer;
use hibari_world::random::Random;
use hibari_world::script::VERSION;
use hibari_world::{Detail, Script, caption_words_of};
use rayon::prelude::*;

use crate::shards::{Shape, open_or_make};
use crate::{ClipPlan, DataError};

const PER_SHARD: usize = 256;
/// Clips that are rendered, then encoded, at once.
const AT_ONCE: usize = 32;

/// What turns clips into latents and captions into states.
#[derive(Clone, Copy)]
pub struct LatentMakers<'a> {
    /// The frozen autoencoder.
    pub ae: &'a Ae,
    /// The hash of its weights.
    pub ae_hash: &'a str,
    /// The caption words.
    pub words: &'a Words,
    /// The frozen text encoder.
    pub encoder: &'a MiniLm,
}

/// Latents of the clips of a plan.
#[derive(Debug)]
pub struct LatentSet {
    shards: Vec<WeightIndex>,
    clips: usize,
}

/// One clip or still.
#[derive(Clone, Debug)]
pub struct LatentItem {
    /// Latent frames.
    pub f: usize,
    /// Latent rows and columns.
    pub cells: (usize, usize),
    /// `[f, h, w, C]`, unit variance.
    pub latents: Vec<f32>,
    /// One of its captions.
    pub text: EncodedText,
}

impl LatentSet {
    /// Opens the set in `folder`, rendering and encoding what is missing.
    ///
    /// With `stills` each clip gives one random frame, four times over; else all of its frames. `captions` differently
    /// worded captions are kept of each. `progress` hears how many clips are there.
    ///
    /// # Errors
    /// [`DataError::Word`] if the words do not cover the plan's mix; see [`open_or_make`]
    pub fn open(
        folder: &Path,
        plan: &ClipPlan,
        stills: bool,
        captions: usize,
        makers: LatentMakers<'_>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Self, DataError> {
        let words = makers.words.as_slice();
        let wanted = caption_words_of(plan.mix);
        if let Some(word) = wanted.iter().find(|&&word| !makers.words.holds(word)) {
            return Err(DataError::Word { word });
        }
        // Rows of words are kept: those of another table than the mix's own are other data.
        let table = match words.len() == wanted.len() {
            true => String::new(),
            false => format!(", {} caption words", words.len()),
        };
        let key = format!(
            "latents of world {VERSION}, {}, stills {stills}, {captions} captions, autoencoder {}{table}",
            plan.key(),
            makers.ae_hash
        );
        let shape = Shape { items: plan.clips, per_shard: PER_SHARD };
        let mut make = |range: Range<usize>| {
            let mut tensors = Vec::new();
            for first in range.clone().step_by(AT_ONCE) {
                let items = first..(first + AT_ONCE).min(range.end);
                tensors.extend(encode(items, plan, stills, captions, makers));
            }
            Ok(tensors)
        };
        Ok(Self {
            shards: open_or_make(folder, &key, &shape, &mut make, progress)?,
            clips: plan.clips,
        })
    }

    /// Number of clips.
    pub fn clips(&self) -> usize {
        self.clips
    }

    /// Latent rows and columns of clip `item`, without reading it.
    pub fn cells(&self, item: usize) -> (usize, usize) {
        let shape = self.shard(item).shape(&latent_name(item)).expect("each shard holds its range");
        (shape[1], shape[2])
    }

    /// Clip `item` with its caption `caption` modulo their number.
    ///
    /// # Panics
    /// if there is no such clip
    pub fn item(&self, item: usize, caption: usize) -> LatentItem {
        let shard = self.shard(item);
        let name = latent_name(item);
        let shape = shard.shape(&name).expect("each shard holds its range").to_vec();
        let n_captions = (0..).take_while(|&i| shard.contains(&words_name(item, i))).count();
        let caption = caption % n_captions;
        let read = |name: &str| shard.tensor_f32(name).expect("written as floats");
        LatentItem {
            f: shape[0],
            cells: (shape[1], shape[2]),
            latents: read(&name),
            text: EncodedText {
                states: read(&states_name(item, caption)),
                words: shard.tensor_u32(&words_name(item, caption)).expect("written as integers"),
            },
        }
    }

    fn shard(&self, item: usize) -> &WeightIndex {
        &self.shards[item / PER_SHARD]
    }
}

fn latent_name(item: usize) -> String {
    format!("{item}.latents")
}

fn states_name(item: usize, caption: usize) -> String {
    format!("{item}.states.{caption}")
}

fn words_name(item: usize, caption: usize) -> String {
    format!("{item}.words.{caption}")
}

/// How much the caption of a training item tells: mostly all, as prompts are expanded to dense captions.
fn detail(random: &mut Random) -> Detail {
    random.weighted(&[(Detail::Dense, 0.65), (Detail::Medium, 0.2), (Detail::Short, 0.15)])
}

fn encode(
    items: Range<usize>,
    plan: &ClipPlan,
    stills: bool,
    captions: usize,
    makers: LatentMakers<'_>,
) -> Vec<StoredTensor> {
    let scripts: Vec<Script> = items.clone().map(|item| plan.script(item)).collect();
    let groups: Vec<Vec<f32>> = scripts
        .par_iter()
        .map_init(ClipRenderer::new, |renderer, script| patches(renderer, script, stills))
        .collect();
    let texts: Vec<String> = scripts
        .iter()
        .flat_map(|script| {
            (0..captions).map(move |i| {
                let mut random = Random::new(script.seed, &format!("training caption {i}"));
                plan.caption(script, detail(&mut random), random.bits())
            })
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let encoded = makers.words.encode(&texts, makers.encoder);

    let mut tensors = Vec::new();
    for (i, (item, script)) in items.zip(&scripts).enumerate() {
        let (height, width) = (script.height as usize, script.width as usize);
        let f = groups[i].len() / (FRAMES * height * width * 3);
        let dims = [f, height / vae::PATCH, width / vae::PATCH, vae::PATCH_VALUES];
        let patches = TensorData::new(groups[i].clone(), dims);
        let latents = makers.ae.encode_patches(Tensor::from_data(patches, &makers.ae.device()));
        let latents = latents.into_data().try_into_vec::<f32>().expect("latents are f32");
        let cells = [f, height / CELL_PX, width / CELL_PX];
        let channels = latents.len() / cells.iter().product::<usize>();
        tensors.push(halves(latent_name(item), vec![f, cells[1], cells[2], channels], &latents));
        for caption in 0..captions {
            let text = &encoded[i * captions + caption];
            let len = text.words.len();
            let name = states_name(item, caption);
            tensors.push(halves(name, vec![len, text.states.len() / len], &text.states));
            tensors.push(StoredTensor::from_u32(&words_name(item, caption), &[len], &text.words));
        }
    }
    tensors
}

/// Patches of all groups of a clip, or of one of its frames four times over.
fn patches(renderer: &mut ClipRenderer, script: &Script, still: bool) -> Vec<f32> {
    let (width, height) = (script.width as usize, script.height as usize);
    let mut out = Vec::new();
    if still {
        let index = Random::new(script.seed, "still").below(script.frames() as usize);
        let frame = renderer.still(script, index as u32);
        vae::pack([frame.rgb.as_slice(); FRAMES], width, (0, 0), (width, height), &mut out);
        return out;
    }
    let mut group: Vec<Frame> = Vec::with_capacity(FRAMES);
    renderer.render(script, &mut |frame| {
        group.push(frame);
        if group.len() == FRAMES {
            let frames = std::array::from_fn(|i| group[i].rgb.as_slice());
            vae::pack(frames, width, (0, 0), (width, height), &mut out);
            group.clear();
        }
    });
    out
}

fn halves(name: String, shape: Vec<usize>, values: &[f32]) -> StoredTensor {
    let bytes = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
    StoredTensor { name, dtype: Dtype::F16, shape, bytes }
}
