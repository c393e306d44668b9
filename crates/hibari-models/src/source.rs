//! Where the weights of published models come from, whatever the layout of their files, and how they are held.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::bf16;
use hibari_ops::Products;
use hibari_weights::quantize::bf16_from_f32;
use hibari_weights::{Checkpoint, Lora};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Tensors by the names that the family has for them.
pub trait TensorSource: Send + Sync {
    /// A tensor as 32-bit floats, row-major; matrices are `[out, in]`.
    ///
    /// # Errors
    /// if it is not there, or has another shape
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError>;

    /// The tensor rounded to bfloat16. Sources that hold it so should not make 32-bit floats of it.
    ///
    /// # Errors
    /// as [`Self::tensor`]
    fn tensor_bf16(&self, name: &str, shape: &[usize]) -> Result<Vec<bf16>, ModelError> {
        Ok(bf16_from_f32(&self.tensor(name, shape)?))
    }

    /// The given rows of a matrix, one after another. Sources that can leave the others unread should.
    ///
    /// # Errors
    /// as [`Self::tensor`]
    /// # Panics
    /// if there is no such row
    fn rows(&self, name: &str, shape: [usize; 2], rows: &[u32]) -> Result<Vec<f32>, ModelError> {
        let (table, width) = (self.tensor(name, &shape)?, shape[1]);
        Ok(rows.iter().flat_map(|&row| &table[row as usize * width..][..width]).copied().collect())
    }
}

/// How the large weights of a model are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Residency {
    /// As 32-bit floats, with exact products: for comparison with other programs.
    F32,
    /// Rounded to bfloat16 and packed, with products in bfloat16 and sums in 32 bits.
    #[default]
    Bf16,
    /// Rounded to 8-bit integers with a scale for each output, and so are the values that they multiply, with a scale for
    /// each token, and what attention multiplies: a quarter of the memory of [`Self::F32`], and the fastest where the
    /// processor multiplies integers.
    Int8,
    /// Products as with [`Self::Bf16`], the same bits; but each weight stays in its file, in whatever form it has there,
    /// and is packed anew at each use. Memory holds one weight at a time, so larger models than memory run.
    Streamed,
}

impl Residency {
    /// What the operands of products of activations are beside weights that are held so.
    pub fn products(self) -> Products {
        match self {
            Self::F32 => Products::Exact,
            Self::Bf16 | Self::Streamed => Products::Bf16,
            Self::Int8 => Products::Int8,
        }
    }
}

/// How a published model is loaded, beside where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How its large weights are held.
    pub residency: Residency,
    /// More of its files and folders.
    pub more: Vec<PathBuf>,
    /// Changes of its weights.
    pub loras: Vec<LoraFile>,
}

/// A LoRA file, and how strongly it acts; 1 is as it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraFile {
    /// The file.
    pub path: PathBuf,
    /// What its changes are multiplied by.
    pub strength: f32,
}

/// What files hold, by their headers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The family.
    pub family: &'static str,
    /// The published model that it is, or the family's name.
    pub preset: String,
    /// Its parts.
    pub parts: Vec<Part>,
    /// What it lacks.
    pub missing: Vec<String>,
}

/// A part of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Such as `transformer`.
    pub name: String,
    /// The file, or the index of its shards.
    pub path: PathBuf,
    /// Tensors.
    pub tensors: usize,
    /// Numbers in them.
    pub parameters: u64,
    /// How they are stored, and how many tensors so.
    pub encodings: BTreeMap<String, usize>,
    /// What keeps it from being used.
    pub problem: Option<String>,
}

impl Part {
    /// What `file` holds, which should have these tensors.
    pub fn of(name: &str, path: &Path, file: &Checkpoint, layout: &[(String, Vec<usize>)]) -> Self {
        let mut encodings = BTreeMap::new();
        let mut parameters = 0;
        for tensor in file.names() {
            let shape = file.shape(tensor).unwrap_or_default();
            parameters += shape.iter().map(|&n| n as u64).product::<u64>();
            if let Some(encoding) = file.encoding(tensor) {
                *encodings.entry(encoding.to_string()).or_default() += 1;
            }
        }
        Self {
            name: name.into(),
            path: path.to_path_buf(),
            tensors: file.names().count(),
            parameters,
            encodings,
            problem: file.check(layout).err().map(|error| error.to_string()),
        }
    }
}

/// A file, and what others change of it.
#[derive(Debug)]
pub struct Adapted {
    /// The weights.
    pub base: Checkpoint,
    /// Changes, and how strongly they act.
    pub changes: Vec<(Lora, f32)>,
}

impl TensorSource for Checkpoint {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor_f32_shaped(name, shape)?)
    }

    fn tensor_bf16(&self, name: &str, shape: &[usize]) -> Result<Vec<bf16>, ModelError> {
        Ok(self.tensor_bf16_shaped(name, shape)?)
    }

    fn rows(&self, name: &str, _shape: [usize; 2], rows: &[u32]) -> Result<Vec<f32>, ModelError> {
        let row = |&row: &u32| -> Range<usize> { row as usize..row as usize + 1 };
        let rows = rows.iter().map(|at| self.rows_f32(name, row(at)));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.concat())
    }
}

impl TensorSource for Adapted {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let mut values = self.base.tensor(name, shape)?;
        for (change, strength) in &self.changes {
            change.apply(name, &mut values, *strength)?;
        }
        Ok(values)
    }

    fn tensor_bf16(&self, name: &str, shape: &[usize]) -> Result<Vec<bf16>, ModelError> {
        if self.changes.is_empty() {
            return self.base.tensor_bf16(name, shape);
        }
        Ok(bf16_from_f32(&self.tensor(name, shape)?))
    }
}
