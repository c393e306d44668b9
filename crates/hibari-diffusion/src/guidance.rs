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
    /// Guided only while the highest level of the call lies strictly above this.
    pub from: f64,
    /// Guided only while the highest level of the call lies at or below this.
    pub to: f64,
}

impl Guidance {
    /// Whether a call whose highest noise level is `sigma` needs the negative branch.
    pub fn applies(&self, sigma: f64) -> bool {
        self.weight > 1.0 && sigma > self.from && sigma <= self.to
    }
}
