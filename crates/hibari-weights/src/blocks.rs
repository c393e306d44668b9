//! The block formats of ggml: small integers that share a scale, and some an offset, in blocks of 32 or 256 values.
//!
//! Reading only. Source of every layout: ggml, `ggml-common.h` (`block_q4_0` to `block_q6_K`) and `ggml-quants.c`
//! (`dequantize_row_*`); sums and products are taken in the same order, in 32-bit floats.

use half::f16;

/// How the values of a block are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// 32 values of 4 bits less 8, one scale.
    Q4_0,
    /// 32 values of 5 bits less 16, one scale.
    Q5_0,
    /// 32 signed bytes, one scale.
    Q8_0,
    /// 256 values of 4 bits; each 32 have a 6-bit scale and a 6-bit offset.
    Q4K,
    /// 256 values of 5 bits; each 32 have a 6-bit scale and a 6-bit offset.
    Q5K,
    /// 256 values of 6 bits less 32; each 16 have an 8-bit scale.
    Q6K,
}

impl BlockFormat {
    /// Values in a block.
    pub fn values_per_block(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q5_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub fn block_size_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q5_0 => 22,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// The name in ggml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q5_0 => "Q5_0",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// The values of whole blocks.
    ///
    /// # Panics
    /// if `bytes` are not whole blocks
    #[track_caller]
    pub fn values(self, bytes: &[u8]) -> Vec<f32> {
        let size = self.block_size_bytes();
        assert_eq!(bytes.len() % size, 0, "{} bytes in blocks of {size}", bytes.len());
        let per_block = self.values_per_block();
        let mut values = vec![0.0; bytes.len() / size * per_block];
        for (block, out) in bytes.chunks_exact(size).zip(values.chunks_exact_mut(per_block)) {
            match self {
                Self::Q4_0 => unpack_q4_0(block, out),
                Self::Q5_0 => unpack_q5_0(block, out),
                Self::Q8_0 => unpack_q8_0(block, out),
                Self::Q4K => unpack_q4_k(block, out),
                Self::Q5K => unpack_q5_k(block, out),
                Self::Q6K => unpack_q6_k(block, out),
            }
        }
        values
    }
}

/// Scale; 16 bytes whose low halves are values 0..16 and high halves 16..32.
fn unpack_q4_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    let (low, high) = out.split_at_mut(16);
    for ((&byte, low), high) in block[2..].iter().zip(low).zip(high) {
        *low = f32::from(signed(byte & 0xf, 8)) * scale;
        *high = f32::from(signed(byte >> 4, 8)) * scale;
    }
}

/// Scale; 32 fifth bits, value `i` at bit `i`; 16 bytes as in Q4_0.
fn unpack_q5_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    let fifth = |i: usize| (block[2 + i / 8] >> (i % 8) & 1) << 4;
    for (i, &byte) in block[6..].iter().enumerate() {
        out[i] = f32::from(signed(byte & 0xf | fifth(i), 16)) * scale;
        out[i + 16] = f32::from(signed(byte >> 4 | fifth(i + 16), 16)) * scale;
    }
}

/// Scale; 32 signed bytes.
fn unpack_q8_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    for (&byte, out) in block[2..].iter().zip(out) {
        *out = f32::from(byte.cast_signed()) * scale;
    }
}

/// Scale of scales, scale of offsets, 12 bytes of both; per 64 values 32 bytes, low halves first.
fn unpack_q4_k(block: &[u8], out: &mut [f32]) {
    for (pair, bytes) in block[16..].chunks_exact(32).enumerate() {
        for half in 0..2 {
            let group = 2 * pair + half;
            let (scale, offset) = scale_and_offset(block, group);
            for (&byte, out) in bytes.iter().zip(&mut out[32 * group..]) {
                *out = scale * f32::from(byte >> (4 * half) & 0xf) - offset;
            }
        }
    }
}

/// As Q4_K, with 32 bytes between: bit `g` of byte `l` is the fifth bit of value `l` of group `g`.
fn unpack_q5_k(block: &[u8], out: &mut [f32]) {
    let fifths = &block[16..48];
    for (pair, bytes) in block[48..].chunks_exact(32).enumerate() {
        for half in 0..2 {
            let group = 2 * pair + half;
            let (scale, offset) = scale_and_offset(block, group);
            for ((&byte, &fifth), out) in bytes.iter().zip(fifths).zip(&mut out[32 * group..]) {
                let level = byte >> (4 * half) & 0xf | (fifth >> group & 1) << 4;
                *out = scale * f32::from(level) - offset;
            }
        }
    }
}

/// 128 bytes of low halves, 64 of upper pairs of bits, 16 signed scales, the scale of scales.
///
/// Each half of the block, 128 values, has 64 and 32 of these bytes; value `32 q + l` takes the lower four bits
/// (`q < 2`) or the upper four of byte `l + 32 (q % 2)`, and bits `2 q` and `2 q + 1` of byte `l`.
fn unpack_q6_k(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 208);
    for (side, out) in out.chunks_exact_mut(128).enumerate() {
        let lows = &block[64 * side..][..64];
        let highs = &block[128 + 32 * side..][..32];
        let scales = &block[192 + 8 * side..][..8];
        for (i, out) in out.iter_mut().enumerate() {
            let (quarter, lane) = (i / 32, i % 32);
            let low = lows[lane + 32 * (quarter % 2)] >> (4 * (quarter / 2)) & 0xf;
            let high = highs[lane] >> (2 * quarter) & 3;
            *out = scale
                * f32::from(scales[i / 16].cast_signed())
                * f32::from(signed(low | high << 4, 32));
        }
    }
}

/// Scale and offset of a group of 32 in Q4_K and Q5_K; of groups 4..8 the upper two bits are those of bytes 0..8.
fn scale_and_offset(block: &[u8], group: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, offset) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let both = packed[group + 4];
        (both & 0xf | packed[group - 4] >> 6 << 4, both >> 4 | packed[group] >> 6 << 4)
    };
    (half_at(block, 0) * f32::from(scale), half_at(block, 2) * f32::from(offset))
}

/// The half float at this byte.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// An unsigned level, less the middle.
fn signed(level: u8, middle: i8) -> i8 {
    level.cast_signed() - middle
}

#[cfg(test)]
mod tests;
