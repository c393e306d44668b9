//! Lists of names in two layouts, written down layer by layer in the same order, must map onto each other.

use std::collections::BTreeSet;

use super::*;

/// Pairs `(other layout, ours)`.
type Pairs = Vec<(String, String)>;

#[track_caller]
fn check(map: fn(&str) -> String, pairs: &Pairs, n_tensors: usize) {
    for (other, ours) in pairs {
        assert_eq!(&map(other), ours, "from `{other}`");
        assert_eq!(&map(ours), ours, "a right name stays");
    }
    let targets: BTreeSet<&String> = pairs.iter().map(|(_, ours)| ours).collect();
    assert_eq!((pairs.len(), targets.len()), (n_tensors, n_tensors), "tensors, distinct names");
}

fn weight_and_bias(pairs: &mut Pairs, other: &str, ours: &str) {
    for end in ["weight", "bias"] {
        pairs.push((format!("{other}.{end}"), format!("{ours}.{end}")));
    }
}

fn one(pairs: &mut Pairs, other: &str, ours: &str) {
    pairs.push((other.to_owned(), ours.to_owned()));
}

fn dit_pairs(n_layers: usize, has_image: bool) -> Pairs {
    let mut pairs = Vec::new();
    let p = &mut pairs;
    weight_and_bias(p, "patch_embedding", "patch_embedding");
    for (i, j) in [(0, 1), (2, 2)] {
        for kind in ["time", "text"] {
            let ours = format!("condition_embedder.{kind}_embedder.linear_{j}");
            weight_and_bias(p, &format!("{kind}_embedding.{i}"), &ours);
        }
    }
    weight_and_bias(p, "time_projection.1", "condition_embedder.time_proj");
    one(p, "head.modulation", "scale_shift_table");
    weight_and_bias(p, "head.head", "proj_out");
    if has_image {
        for (i, part) in [(0, "norm1"), (1, "ff.net.0.proj"), (3, "ff.net.2"), (4, "norm2")] {
            let ours = format!("condition_embedder.image_embedder.{part}");
            weight_and_bias(p, &format!("img_emb.proj.{i}"), &ours);
        }
    }
    for i in 0..n_layers {
        dit_block_pairs(p, &format!("blocks.{i}"), has_image);
    }
    pairs
}

fn dit_block_pairs(p: &mut Pairs, block: &str, has_image: bool) {
    one(p, &format!("{block}.modulation"), &format!("{block}.scale_shift_table"));
    weight_and_bias(p, &format!("{block}.norm3"), &format!("{block}.norm2"));
    weight_and_bias(p, &format!("{block}.ffn.0"), &format!("{block}.ffn.net.0.proj"));
    weight_and_bias(p, &format!("{block}.ffn.2"), &format!("{block}.ffn.net.2"));
    for (other, ours) in [("self_attn", "attn1"), ("cross_attn", "attn2")] {
        let (other, ours) = (format!("{block}.{other}"), format!("{block}.{ours}"));
        for (a, b) in [("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0")] {
            weight_and_bias(p, &format!("{other}.{a}"), &format!("{ours}.{b}"));
        }
        for norm in ["norm_q.weight", "norm_k.weight"] {
            one(p, &format!("{other}.{norm}"), &format!("{ours}.{norm}"));
        }
    }
    if has_image {
        let (other, ours) = (format!("{block}.cross_attn"), format!("{block}.attn2"));
        weight_and_bias(p, &format!("{other}.k_img"), &format!("{ours}.add_k_proj"));
        weight_and_bias(p, &format!("{other}.v_img"), &format!("{ours}.add_v_proj"));
        let norm = |attention: &str, name: &str| format!("{attention}.{name}.weight");
        one(p, &norm(&other, "norm_k_img"), &norm(&ours, "norm_added_k"));
    }
}

#[test]
fn transformer() {
    // Wan2.1: t2v 1.3b and ti2v 5b, t2v 14b, i2v 14b.
    check(dit, &dit_pairs(30, false), 825);
    check(dit, &dit_pairs(40, false), 1095);
    check(dit, &dit_pairs(40, true), 1303);
    for prefix in DIT_PREFIXES {
        for (other, ours) in dit_pairs(2, true) {
            assert_eq!(dit(&format!("{prefix}{other}")), ours);
        }
    }
    let mut vace = Vec::new();
    dit_block_pairs(&mut vace, "vace_blocks.3", false);
    weight_and_bias(&mut vace, "vace_blocks.0.before_proj", "vace_blocks.0.proj_in");
    weight_and_bias(&mut vace, "vace_blocks.3.after_proj", "vace_blocks.3.proj_out");
    weight_and_bias(&mut vace, "vace_patch_embedding", "vace_patch_embedding");
    check(dit, &vace, 27 + 6);
    let position = "condition_embedder.image_embedder.pos_embed";
    check(dit, &vec![("img_emb.emb_pos".to_owned(), position.to_owned())], 1);
}

#[test]
fn only_whole_segments_count() {
    for name in ["blocks.0.self_attn_extra.q", "time_embedding.1.weight", "header.modulation"] {
        assert_eq!(dit(name), name);
    }
    assert_eq!(dit("blocks.0.ffn.20.weight"), "blocks.0.ffn.20.weight");
    assert_eq!(vae("encoder.conv11.weight"), "encoder.conv11.weight");
    assert_eq!(text("norms.weight"), "norms.weight");
}

/// A residual layer, with the shortcut that it has if its channels change.
fn residual_pairs(p: &mut Pairs, other: &str, ours: &str, has_shortcut: bool) {
    for (i, kind) in [(0, "norm1"), (3, "norm2")] {
        one(p, &format!("{other}.residual.{i}.gamma"), &format!("{ours}.{kind}.gamma"));
    }
    for (i, kind) in [(2, "conv1"), (6, "conv2")] {
        weight_and_bias(p, &format!("{other}.residual.{i}"), &format!("{ours}.{kind}"));
    }
    if has_shortcut {
        weight_and_bias(p, &format!("{other}.shortcut"), &format!("{ours}.conv_shortcut"));
    }
}

fn resample_pairs(p: &mut Pairs, other: &str, ours: &str, has_time: bool) {
    weight_and_bias(p, &format!("{other}.resample.1"), &format!("{ours}.resample.1"));
    if has_time {
        weight_and_bias(p, &format!("{other}.time_conv"), &format!("{ours}.time_conv"));
    }
}

fn ends_pairs(p: &mut Pairs, half: &str) {
    weight_and_bias(p, &format!("{half}.conv1"), &format!("{half}.conv_in"));
    for (i, j) in [(0, 0), (2, 1)] {
        let ours = format!("{half}.mid_block.resnets.{j}");
        residual_pairs(p, &format!("{half}.middle.{i}"), &ours, false);
    }
    let (other, ours) = (format!("{half}.middle.1"), format!("{half}.mid_block.attentions.0"));
    one(p, &format!("{other}.norm.gamma"), &format!("{ours}.norm.gamma"));
    weight_and_bias(p, &format!("{other}.to_qkv"), &format!("{ours}.to_qkv"));
    weight_and_bias(p, &format!("{other}.proj"), &format!("{ours}.proj"));
    one(p, &format!("{half}.head.0.gamma"), &format!("{half}.norm_out.gamma"));
    weight_and_bias(p, &format!("{half}.head.2"), &format!("{half}.conv_out"));
}

#[test]
fn autoencoder_2_1() {
    let mut pairs = Vec::new();
    let p = &mut pairs;
    weight_and_bias(p, "conv1", "quant_conv");
    weight_and_bias(p, "conv2", "post_quant_conv");
    ends_pairs(p, "encoder");
    ends_pairs(p, "decoder");
    for layer in 0..11 {
        let names = |list: &str| format!("encoder.{list}.{layer}");
        let (other, ours) = (names("downsamples"), names("down_blocks"));
        match layer {
            2 | 5 | 8 => resample_pairs(p, &other, &ours, layer != 2),
            _ => residual_pairs(p, &other, &ours, layer == 3 || layer == 6),
        }
    }
    for level in 0..4 {
        for j in 0..3 {
            let other = format!("decoder.upsamples.{}", 4 * level + j);
            let ours = format!("decoder.up_blocks.{level}.resnets.{j}");
            residual_pairs(p, &other, &ours, level == 1 && j == 0);
        }
        if level < 3 {
            let other = format!("decoder.upsamples.{}", 4 * level + 3);
            let ours = format!("decoder.up_blocks.{level}.upsamplers.0");
            resample_pairs(p, &other, &ours, level < 2);
        }
    }
    check(vae, &pairs, 194);
}

#[test]
fn autoencoder_2_2() {
    let mut pairs = Vec::new();
    let p = &mut pairs;
    weight_and_bias(p, "conv1", "quant_conv");
    weight_and_bias(p, "conv2", "post_quant_conv");
    ends_pairs(p, "encoder");
    ends_pairs(p, "decoder");
    for level in 0..4 {
        let (down, up) =
            (format!("encoder.downsamples.{level}"), format!("decoder.upsamples.{level}"));
        let our_down = format!("encoder.down_blocks.{level}");
        let our_up = format!("decoder.up_blocks.{level}");
        for j in 0..2 {
            let ours = format!("{our_down}.resnets.{j}");
            let widens = (level == 1 || level == 2) && j == 0;
            residual_pairs(p, &format!("{down}.downsamples.{j}"), &ours, widens);
        }
        for j in 0..3 {
            let ours = format!("{our_up}.resnets.{j}");
            residual_pairs(p, &format!("{up}.upsamples.{j}"), &ours, level >= 2 && j == 0);
        }
        if level < 3 {
            let ours = format!("{our_down}.downsampler");
            resample_pairs(p, &format!("{down}.downsamples.2"), &ours, level > 0);
            let ours = format!("{our_up}.upsampler");
            resample_pairs(p, &format!("{up}.upsamples.3"), &ours, level < 2);
        }
    }
    check(vae, &pairs, 196);
}

/// Names of a layer of the text encoder: the original's, llama.cpp's, ours.
const TEXT_LAYER: [[&str; 3]; 10] = [
    ["norm1", "attn_norm", "layer.0.layer_norm"],
    ["attn.q", "attn_q", "layer.0.SelfAttention.q"],
    ["attn.k", "attn_k", "layer.0.SelfAttention.k"],
    ["attn.v", "attn_v", "layer.0.SelfAttention.v"],
    ["attn.o", "attn_o", "layer.0.SelfAttention.o"],
    ["pos_embedding.embedding", "attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"],
    ["norm2", "ffn_norm", "layer.1.layer_norm"],
    ["ffn.gate.0", "ffn_gate", "layer.1.DenseReluDense.wi_0"],
    ["ffn.fc1", "ffn_up", "layer.1.DenseReluDense.wi_1"],
    ["ffn.fc2", "ffn_down", "layer.1.DenseReluDense.wo"],
];

#[test]
fn text_encoder() {
    let weight = |name: &str| format!("{name}.weight");
    for (column, embedding, block, norm) in
        [(0, "token_embedding", "blocks", "norm"), (1, "token_embd", "enc.blk", "enc.output_norm")]
    {
        let mut pairs = vec![
            (weight(embedding), weight("shared")),
            (weight(norm), weight("encoder.final_layer_norm")),
        ];
        for i in 0..24 {
            for names in TEXT_LAYER {
                let ours = format!("encoder.block.{i}.{}.weight", names[2]);
                pairs.push((format!("{block}.{i}.{}.weight", names[column]), ours));
            }
        }
        check(text, &pairs, 242);
    }
    assert_eq!(text("encoder.embed_tokens.weight"), "shared.weight");
}

#[test]
fn lora_modules() {
    for (other, ours) in dit_pairs(12, true) {
        let Some((other, ours)) = other.strip_suffix(".weight").zip(ours.strip_suffix(".weight"))
        else {
            continue;
        };
        let flat = format!("lora_unet_{}", other.replace('.', "_"));
        for name in [&flat, other, ours, &format!("diffusion_model.{other}")] {
            for component in ["transformer", "transformer_2"] {
                assert_eq!(lora_module(name, component).as_deref(), Some(ours), "from `{name}`");
            }
        }
        for (name, component) in [
            (format!("transformer.{ours}"), "transformer"),
            (format!("transformer_2.{ours}"), "transformer_2"),
        ] {
            assert_eq!(lora_module(&name, component).as_deref(), Some(ours));
            let other = if component == "transformer" { "transformer_2" } else { "transformer" };
            assert_eq!(lora_module(&name, other), None);
        }
    }
    assert_eq!(lora_module("lora_te_x", "transformer").as_deref(), Some("lora_te_x"));
}
