//! Names of tensors in other layouts, turned into those of diffusers and transformers, which are this family's own.
//!
//! The rules look at whole segments between dots. A name that no rule knows stays as it is, and so does one that is
//! right already, so a file need not say which layout it has; the check against the model then lists the rest.
//! Sources: Wan2.1 and 2.2 (`wan/modules/{model,vae2_1,vae2_2,t5}.py`), diffusers `convert_wan_to_diffusers.py`,
//! llama.cpp `gguf-py/gguf/tensor_mapping.py`.

/// What some files put before the names of the transformer.
const DIT_PREFIXES: [&str; 2] = ["model.diffusion_model.", "diffusion_model."];

/// The name of a tensor of the diffusion transformer.
pub fn dit(name: &str) -> String {
    let name = DIT_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let segments: Vec<&str> = name.split('.').collect();
    match segments[..] {
        ["time_embedding", "0", ref rest @ ..] => {
            joined("condition_embedder.time_embedder.linear_1", rest)
        }
        ["time_embedding", "2", ref rest @ ..] => {
            joined("condition_embedder.time_embedder.linear_2", rest)
        }
        ["time_projection", "1", ref rest @ ..] => joined("condition_embedder.time_proj", rest),
        ["text_embedding", "0", ref rest @ ..] => {
            joined("condition_embedder.text_embedder.linear_1", rest)
        }
        ["text_embedding", "2", ref rest @ ..] => {
            joined("condition_embedder.text_embedder.linear_2", rest)
        }
        ["img_emb", "emb_pos"] => "condition_embedder.image_embedder.pos_embed".to_owned(),
        ["img_emb", "proj", layer, ref rest @ ..] => match layer {
            "0" => joined("condition_embedder.image_embedder.norm1", rest),
            "1" => joined("condition_embedder.image_embedder.ff.net.0.proj", rest),
            "3" => joined("condition_embedder.image_embedder.ff.net.2", rest),
            "4" => joined("condition_embedder.image_embedder.norm2", rest),
            _ => name.to_owned(),
        },
        ["head", "modulation"] => "scale_shift_table".to_owned(),
        ["head", "head", ref rest @ ..] => joined("proj_out", rest),
        [stack @ ("blocks" | "vace_blocks"), layer, ref rest @ ..] => {
            format!("{stack}.{layer}.{}", dit_block(rest))
        }
        _ => name.to_owned(),
    }
}

fn dit_block(segments: &[&str]) -> String {
    match segments {
        ["self_attn", rest @ ..] => format!("attn1.{}", attention(rest)),
        ["cross_attn", rest @ ..] => format!("attn2.{}", attention(rest)),
        ["norm3", rest @ ..] => joined("norm2", rest),
        ["modulation"] => "scale_shift_table".to_owned(),
        ["ffn", "0", rest @ ..] => joined("ffn.net.0.proj", rest),
        ["ffn", "2", rest @ ..] => joined("ffn.net.2", rest),
        ["before_proj", rest @ ..] => joined("proj_in", rest),
        ["after_proj", rest @ ..] => joined("proj_out", rest),
        _ => segments.join("."),
    }
}

fn attention(segments: &[&str]) -> String {
    let Some((&part, rest)) = segments.split_first() else { return String::new() };
    let part = match part {
        "q" => "to_q",
        "k" => "to_k",
        "v" => "to_v",
        "o" => "to_out.0",
        "k_img" => "add_k_proj",
        "v_img" => "add_v_proj",
        "norm_k_img" => "norm_added_k",
        _ => part,
    };
    joined(part, rest)
}

/// The module that a LoRA file means by `name`, in the transformer that diffusers calls `component`, `transformer` or
/// `transformer_2`; `None` if the name belongs to the other one. Names that say neither belong to both.
pub fn lora_module(name: &str, component: &str) -> Option<String> {
    if let Some((owner @ ("transformer" | "transformer_2"), rest)) = name.split_once('.') {
        return (owner == component).then(|| dit(rest));
    }
    if let Some(flat) = name.strip_prefix("lora_unet_") {
        return Some(dit(&dotted(flat)));
    }
    Some(dit(name))
}

/// Where the dots were in a name whose dots became underscores.
fn dotted(flat: &str) -> String {
    const HEADS: [&str; 5] =
        ["time_embedding", "time_projection", "text_embedding", "img_emb_proj", "head"];
    const PARTS: [&str; 3] = ["self_attn", "cross_attn", "ffn"];
    let split = |name: &str, heads: &[&str]| {
        heads.iter().find_map(|head| {
            let tail = name.strip_prefix(head)?.strip_prefix('_')?;
            Some(format!("{}.{tail}", head.replace("img_emb_proj", "img_emb.proj")))
        })
    };
    let block = |name: &str| {
        let (layer, rest) = name.strip_prefix("blocks_")?.split_once('_')?;
        Some(format!("blocks.{layer}.{}", split(rest, &PARTS).unwrap_or_else(|| rest.to_owned())))
    };
    block(flat).or_else(|| split(flat, &HEADS)).unwrap_or_else(|| flat.to_owned())
}

/// The name of a tensor of the autoencoder, of 2.1 or 2.2: their names tell them apart.
pub fn vae(name: &str) -> String {
    let segments: Vec<&str> = name.split('.').collect();
    match segments[..] {
        ["conv1", ref rest @ ..] => joined("quant_conv", rest),
        ["conv2", ref rest @ ..] => joined("post_quant_conv", rest),
        [half @ ("encoder" | "decoder"), ref rest @ ..] => format!("{half}.{}", vae_half(rest)),
        _ => name.to_owned(),
    }
}

fn vae_half(segments: &[&str]) -> String {
    match segments {
        ["conv1", rest @ ..] => joined("conv_in", rest),
        ["head", "0", rest @ ..] => joined("norm_out", rest),
        ["head", "2", rest @ ..] => joined("conv_out", rest),
        ["middle", "0", rest @ ..] => format!("mid_block.resnets.0.{}", residual(rest)),
        ["middle", "1", rest @ ..] => joined("mid_block.attentions.0", rest),
        ["middle", "2", rest @ ..] => format!("mid_block.resnets.1.{}", residual(rest)),
        // 2.2: levels of layers, the third of them down, the fourth up.
        ["downsamples", level, "downsamples", "2", rest @ ..] => {
            joined(&format!("down_blocks.{level}.downsampler"), rest)
        }
        ["upsamples", level, "upsamples", "3", rest @ ..] => {
            joined(&format!("up_blocks.{level}.upsampler"), rest)
        }
        ["downsamples", level, "downsamples", layer, rest @ ..] => {
            format!("down_blocks.{level}.resnets.{layer}.{}", residual(rest))
        }
        ["upsamples", level, "upsamples", layer, rest @ ..] => {
            format!("up_blocks.{level}.resnets.{layer}.{}", residual(rest))
        }
        // 2.1: one list; diffusers keeps it on the way down and cuts it into levels of four on the way up.
        ["downsamples", layer, rest @ ..] => format!("down_blocks.{layer}.{}", residual(rest)),
        ["upsamples", layer, rest @ ..] => match layer.parse::<usize>() {
            Ok(layer) if layer % 4 == 3 => {
                joined(&format!("up_blocks.{}.upsamplers.0", layer / 4), rest)
            }
            Ok(layer) => {
                format!("up_blocks.{}.resnets.{}.{}", layer / 4, layer % 4, residual(rest))
            }
            Err(_) => segments.join("."),
        },
        _ => segments.join("."),
    }
}

fn residual(segments: &[&str]) -> String {
    match segments {
        ["residual", "0", rest @ ..] => joined("norm1", rest),
        ["residual", "2", rest @ ..] => joined("conv1", rest),
        ["residual", "3", rest @ ..] => joined("norm2", rest),
        ["residual", "6", rest @ ..] => joined("conv2", rest),
        ["shortcut", rest @ ..] => joined("conv_shortcut", rest),
        _ => segments.join("."),
    }
}

/// The name of a tensor of the text encoder, from the original or from llama.cpp.
pub fn text(name: &str) -> String {
    let segments: Vec<&str> = name.split('.').collect();
    match segments[..] {
        ["token_embedding" | "token_embd", ref rest @ ..]
        | ["encoder", "embed_tokens", ref rest @ ..] => joined("shared", rest),
        ["norm", ref rest @ ..] | ["enc", "output_norm", ref rest @ ..] => {
            joined("encoder.final_layer_norm", rest)
        }
        ["blocks", layer, ref rest @ ..] | ["enc", "blk", layer, ref rest @ ..] => {
            format!("encoder.block.{layer}.{}", text_block(rest))
        }
        _ => name.to_owned(),
    }
}

fn text_block(segments: &[&str]) -> String {
    match segments {
        ["norm1" | "attn_norm", rest @ ..] => joined("layer.0.layer_norm", rest),
        ["norm2" | "ffn_norm", rest @ ..] => joined("layer.1.layer_norm", rest),
        ["attn", rest @ ..] => joined("layer.0.SelfAttention", rest),
        ["attn_q", rest @ ..] => joined("layer.0.SelfAttention.q", rest),
        ["attn_k", rest @ ..] => joined("layer.0.SelfAttention.k", rest),
        ["attn_v", rest @ ..] => joined("layer.0.SelfAttention.v", rest),
        ["attn_o", rest @ ..] => joined("layer.0.SelfAttention.o", rest),
        ["pos_embedding", "embedding", rest @ ..] | ["attn_rel_b", rest @ ..] => {
            joined("layer.0.SelfAttention.relative_attention_bias", rest)
        }
        ["ffn", "gate", "0", rest @ ..] | ["ffn_gate", rest @ ..] => {
            joined("layer.1.DenseReluDense.wi_0", rest)
        }
        ["ffn", "fc1", rest @ ..] | ["ffn_up", rest @ ..] => {
            joined("layer.1.DenseReluDense.wi_1", rest)
        }
        ["ffn", "fc2", rest @ ..] | ["ffn_down", rest @ ..] => {
            joined("layer.1.DenseReluDense.wo", rest)
        }
        _ => segments.join("."),
    }
}

/// The name of a tensor of the image encoder: older versions of transformers put the module in front.
pub fn image(name: &str) -> String {
    name.strip_prefix("vision_model.").unwrap_or(name).to_owned()
}

fn joined(head: &str, rest: &[&str]) -> String {
    let mut name = head.to_owned();
    for segment in rest {
        name.push('.');
        name.push_str(segment);
    }
    name
}

#[cfg(test)]
mod tests;
