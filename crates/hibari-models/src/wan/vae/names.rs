//! Names of the parameters in diffusers' files. Our levels are alike in both versions; there they differ.

use super::config::{VaeConfig, VaeVersion};

/// The name that diffusers gives to our parameter of this path.
pub(super) fn diffusers_name(config: &VaeConfig, path: &str) -> String {
    let path = path.replace("sampler.conv.", "sampler.resample.1.");
    if config.version == VaeVersion::V22 {
        return path;
    }
    match path.strip_prefix("encoder.down_blocks.") {
        Some(rest) => format!("encoder.down_blocks.{}", listed(rest, config.blocks)),
        None => path.replace(".upsampler.", ".upsamplers.0."),
    }
}

/// In 2.1 the encoder's levels are one list: with two `blocks` `L.resnets.J.X` is `3L + J.X`, `L.downsampler.X` is `3L + 2.X`.
fn listed(rest: &str, blocks: usize) -> String {
    let mut segments = rest.split('.');
    let mut next = || segments.next().expect("a path of this module");
    let number = |text: &str| text.parse::<usize>().expect("an index of this module");
    let level = number(next());
    let place = match next() {
        "resnets" => number(next()),
        _ => blocks,
    };
    let rest: Vec<&str> = segments.collect();
    format!("{}.{}", level * (blocks + 1) + place, rest.join("."))
}
