//! Changes to weights of low rank, as LoRA files hold them: `W += strength * alpha / rank * B A`.
//!
//! A module `X` has `X.lora_A.weight` (or `lora_down`), `X.lora_B.weight` (or `lora_up`), and maybe `X.alpha`, which is
//! the rank if it is absent; `X.diff` and `X.diff_b` are added to its weight and bias as they are. Which module of the
//! model `X` is, the family says.
//!
//! Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1

use std::collections::BTreeMap;
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::error::WeightsError;

/// What each ending of a name means.
const ENDINGS: [(&str, Part); 9] = [
    (".lora_A.weight", Part::Down),
    (".lora_A.default.weight", Part::Down),
    (".lora_down.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora_B.default.weight", Part::Up),
    (".lora_up.weight", Part::Up),
    (".alpha", Part::Alpha),
    (".diff", Part::Weight),
    (".diff_b", Part::Bias),
];

/// An open LoRA file.
#[derive(Debug)]
pub struct Lora {
    file: Checkpoint,
    /// The names in the file of what changes each of the model's modules.
    modules: BTreeMap<String, BTreeMap<Part, String>>,
    /// Names that say nothing known, or twice the same.
    unknown: Vec<String>,
    doubled: Vec<String>,
}

/// What a tensor of the file is to its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// `A`, `[rank, in..]`.
    Down,
    /// `B`, `[out, rank, 1..]`.
    Up,
    /// A number.
    Alpha,
    /// Added to the weight.
    Weight,
    /// Added to the bias.
    Bias,
}

impl Lora {
    /// Opens the file; `module` turns its name for a module into the model's, or `None` if that is of another network
    /// in the same file.
    ///
    /// # Errors
    /// as [`Checkpoint::open`]
    pub fn open(
        path: &Path,
        module: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, WeightsError> {
        let file = Checkpoint::open(path)?;
        let mut modules: BTreeMap<String, BTreeMap<Part, String>> = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut doubled = Vec::new();
        for name in file.names() {
            let part_of = |(ending, part): &(&str, Part)| Some((name.strip_suffix(ending)?, *part));
            let Some((stem, part)) = ENDINGS.iter().find_map(part_of) else {
                unknown.push(name.to_owned());
                continue;
            };
            let Some(target) = module(stem) else { continue };
            if let Some(first) = modules.entry(target).or_default().insert(part, name.to_owned()) {
                doubled.push(format!("{first} and {name}"));
            }
        }
        Ok(Self { file, modules, unknown, doubled })
    }

    /// Whether every change has its parts and fits a tensor of the layout.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with every missing, unknown, doubled and misshapen name
    pub fn check(&self, layout: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
        let shapes: BTreeMap<&str, &[usize]> =
            layout.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        let mut missing = Vec::new();
        let mut extra = self.unknown.clone();
        let mut misshapen = Vec::new();
        for (module, parts) in &self.modules {
            match (parts.contains_key(&Part::Down), parts.contains_key(&Part::Up)) {
                (true, false) => missing.push(format!("{module}.lora_up")),
                (false, true) => missing.push(format!("{module}.lora_down")),
                _ => {}
            }
            let target = |part: Part| {
                let bias = format!("{module}.bias");
                let weight = format!("{module}.weight");
                let found = if part == Part::Bias {
                    shapes.get(bias.as_str())
                } else {
                    shapes.get(weight.as_str()).or_else(|| shapes.get(module.as_str()))
                };
                found.copied()
            };
            for (&part, name) in parts {
                let Some(wanted) = target(part) else {
                    extra.push(name.clone());
                    continue;
                };
                let found = self.shape(name);
                let fits = match part {
                    Part::Alpha => found.iter().product::<usize>() == 1,
                    Part::Weight | Part::Bias => found == wanted,
                    Part::Down => found.len() >= 2 && wanted.get(1..) == found.get(1..),
                    Part::Up => {
                        let rank = parts.get(&Part::Down).map_or(0, |down| self.rank(down));
                        found.len() >= 2
                            && found.first() == wanted.first()
                            && found[1..].iter().product::<usize>() == rank
                    }
                };
                if !fits {
                    misshapen.push((name.clone(), wanted.to_vec(), found.to_vec()));
                }
            }
        }
        let doubled = self.doubled.clone();
        if missing.is_empty() && extra.is_empty() && doubled.is_empty() && misshapen.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Mismatch { missing, extra, doubled, misshapen })
    }

    /// Whether the file changes nothing of this network.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Adds the change of the tensor `name`, times `strength`, to its values; nothing if the file has none.
    ///
    /// # Shapes
    /// - `values`: `[out, in..]` as in the layout that [`Self::check`] was given, row-major
    /// # Errors
    /// if the file holds integers where floats belong
    /// # Panics
    /// if the change has another number of values
    pub fn apply(&self, name: &str, values: &mut [f32], strength: f32) -> Result<(), WeightsError> {
        if let Some(parts) = name.strip_suffix(".bias").and_then(|stem| self.modules.get(stem)) {
            return self.add_difference(parts.get(&Part::Bias), values, strength);
        }
        let module = name.strip_suffix(".weight").unwrap_or(name);
        let Some(parts) = self.modules.get(module) else { return Ok(()) };
        self.add_difference(parts.get(&Part::Weight), values, strength)?;
        let (Some(down), Some(up)) = (parts.get(&Part::Down), parts.get(&Part::Up)) else {
            return Ok(());
        };
        let rank = self.rank(down);
        let alpha = match parts.get(&Part::Alpha) {
            Some(alpha) => self.file.tensor_f32(alpha)?[0],
            None => rank as f32,
        };
        let down = self.file.tensor_f32(down)?;
        let up = self.file.tensor_f32(up)?;
        add_product(values, &up, &down, rank, strength * alpha / rank as f32);
        Ok(())
    }

    fn add_difference(
        &self,
        difference: Option<&String>,
        values: &mut [f32],
        strength: f32,
    ) -> Result<(), WeightsError> {
        let Some(name) = difference else { return Ok(()) };
        let difference = self.file.tensor_f32(name)?;
        assert_eq!(difference.len(), values.len(), "values of `{name}`");
        for (value, change) in values.iter_mut().zip(&difference) {
            *value += strength * change;
        }
        Ok(())
    }

    fn shape(&self, name: &str) -> &[usize] {
        self.file.shape(name).expect("the name comes from the file")
    }

    fn rank(&self, down: &str) -> usize {
        self.shape(down).first().copied().unwrap_or(0)
    }
}

/// `w += factor * up down`, where `up` is `[out, rank]` and `down` `[rank, in]`; each row is summed before it is added.
fn add_product(w: &mut [f32], up: &[f32], down: &[f32], rank: usize, factor: f32) {
    if rank == 0 || down.is_empty() {
        return;
    }
    let n_in = down.len() / rank;
    assert_eq!(w.len(), up.len() / rank * n_in, "values against [{} / {rank}, {n_in}]", up.len());
    let mut row = vec![0.0_f32; n_in];
    for (w, up) in w.chunks_exact_mut(n_in).zip(up.chunks_exact(rank)) {
        row.fill(0.0);
        for (b, down) in up.iter().zip(down.chunks_exact(n_in)) {
            for (sum, a) in row.iter_mut().zip(down) {
                *sum += b * a;
            }
        }
        for (w, sum) in w.iter_mut().zip(&row) {
            *w += factor * sum;
        }
    }
}

#[cfg(test)]
mod tests;
