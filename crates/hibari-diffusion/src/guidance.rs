//! Classifier-free guidance: how far to push away from the answer without the prompt.

/// Which answer the network is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// With the prompt.
    Positive,
    /// Without it (or with the negative prompt).
    Negative,
}

/// `negative + weight * (positive - negative)` on the clean estimate, inside an interval of noise levels.
///
/// # Source
/// Ho and Salimans 2207.12598; the interval: Kynkäänniemi et al. 2404.07724.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// 1 asks for the positive branch only.
    pub weight: f64,
    /// Another weight for noise levels below some one: the level, and that weight.
    pub low: Option<(f64, f64)>,
    /// Guided only while the highest level of the call lies strictly above this.
    pub from: f64,
    /// Guided only while the highest level of the call lies at or below this.
    pub to: f64,
}

impl Guidance {
    /// The weight at a call whose highest noise level is `sigma`, if that needs the negative branch.
    pub fn at(&self, sigma: f64) -> Option<f64> {
        let weight = match self.low {
            Some((below, weight)) if sigma < below => weight,
            _ => self.weight,
        };
        (weight > 1.0 && sigma > self.from && sigma <= self.to).then_some(weight)
    }
}
