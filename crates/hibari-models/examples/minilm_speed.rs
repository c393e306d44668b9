//! Captions that the text encoder encodes in a second: batches of 32 texts of 96 tokens, best of eight.

#![expect(clippy::print_stdout, reason = "prints the measure")]

use std::path::Path;
use std::time::{Duration, Instant};

use hibari_models::text::MiniLm;
use hibari_weights::WeightIndex;

const BATCH: usize = 32;
const TOKENS: usize = 96;
const RUNS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/minilm.safetensors");
    let encoder = MiniLm::load(&WeightIndex::open(&path)?)?;
    let text = "the brown dog runs past the old house and the light grows colder ".repeat(8);
    let texts = vec![text.as_str(); BATCH];
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        let encoded = encoder.encode(&texts, TOKENS);
        best = best.min(start.elapsed());
        assert_eq!(encoded[0].ids.len(), TOKENS, "the text fills every token");
    }
    println!("{:.1} captions a second", f64::from(u32::try_from(BATCH)?) / best.as_secs_f64());
    Ok(())
}
