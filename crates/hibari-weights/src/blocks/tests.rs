//! Levels are packed value by value, each bit put where the format says, and must come back; and bytes written by hand.

use super::*;

/// A level of value `i` that uses all bits.
fn level(i: usize, bits: u32) -> u32 {
    (i as u32 * 37 + 11 + (i as u32 / 32) * 5) % (1 << bits)
}

/// Puts `count` bits of `value` at bit `at` of the block.
fn put(block: &mut [u8], at: usize, count: usize, value: u32) {
    for bit in 0..count {
        block[(at + bit) / 8] |= ((value >> bit & 1) as u8) << ((at + bit) % 8);
    }
}

fn put_half(block: &mut [u8], at_byte: usize, value: f32) {
    block[at_byte..at_byte + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
}

#[track_caller]
fn check(format: BlockFormat, block: &[u8], wanted: impl Fn(usize) -> f32) {
    assert_eq!(block.len(), format.block_size_bytes());
    // Two blocks, so that the step from one to the next is seen too.
    let values = format.values(&[block, block].concat());
    assert_eq!(values.len(), 2 * format.values_per_block());
    for (i, value) in values.iter().enumerate() {
        let wanted = wanted(i % format.values_per_block());
        assert_eq!(*value, wanted, "{} value {i}", format.name());
    }
}

#[test]
fn blocks_of_32() {
    let mut block = vec![0; 18];
    put_half(&mut block, 0, -0.375);
    for i in 0..32 {
        put(&mut block[2..], 8 * (i % 16) + 4 * (i / 16), 4, level(i, 4));
    }
    check(BlockFormat::Q4_0, &block, |i| -0.375 * (level(i, 4) as f32 - 8.0));

    let mut block = vec![0; 22];
    put_half(&mut block, 0, 0.0625);
    for i in 0..32 {
        put(&mut block[2..6], i, 1, level(i, 5) >> 4);
        put(&mut block[6..], 8 * (i % 16) + 4 * (i / 16), 4, level(i, 5) & 15);
    }
    check(BlockFormat::Q5_0, &block, |i| 0.0625 * (level(i, 5) as f32 - 16.0));

    let mut block = vec![0; 34];
    put_half(&mut block, 0, 0.25);
    for i in 0..32 {
        put(&mut block[2..], 8 * i, 8, level(i, 8));
    }
    check(BlockFormat::Q8_0, &block, |i| {
        let level = level(i, 8) as f32;
        0.25 * if level < 128.0 { level } else { level - 256.0 }
    });
}

/// The 6-bit scales and offsets of Q4_K and Q5_K: 0..4 whole, of 4..8 the low four bits, and their upper two on top of
/// the first ones.
fn put_scales(block: &mut [u8]) {
    put_half(block, 0, 0.125);
    put_half(block, 2, 0.5);
    for group in 0..8 {
        let (scale, offset) = (group_scale(group), group_offset(group));
        if group < 4 {
            put(&mut block[4..16], 8 * group, 6, scale);
            put(&mut block[4..16], 8 * (group + 4), 6, offset);
        } else {
            put(&mut block[4..16], 8 * (group + 4), 4, scale & 15);
            put(&mut block[4..16], 8 * (group + 4) + 4, 4, offset & 15);
            put(&mut block[4..16], 8 * (group - 4) + 6, 2, scale >> 4);
            put(&mut block[4..16], 8 * group + 6, 2, offset >> 4);
        }
    }
}

fn group_scale(group: usize) -> u32 {
    [1, 63, 20, 37, 62, 17, 45, 33][group]
}

fn group_offset(group: usize) -> u32 {
    [63, 0, 41, 22, 19, 60, 1, 50][group]
}

#[test]
fn blocks_of_256() {
    let shifted = |i: usize, bits: u32| {
        let (scale, offset) = (group_scale(i / 32) as f32, group_offset(i / 32) as f32);
        0.125 * scale * level(i, bits) as f32 - 0.5 * offset
    };
    let nibble = |i: usize| 8 * (32 * (i / 64) + i % 32) + 4 * (i / 32 % 2);

    let mut block = vec![0; 144];
    put_scales(&mut block);
    for i in 0..256 {
        put(&mut block[16..], nibble(i), 4, level(i, 4));
    }
    check(BlockFormat::Q4K, &block, |i| shifted(i, 4));

    let mut block = vec![0; 176];
    put_scales(&mut block);
    for i in 0..256 {
        put(&mut block[16..48], 8 * (i % 32) + i / 32, 1, level(i, 5) >> 4);
        put(&mut block[48..], nibble(i), 4, level(i, 5) & 15);
    }
    check(BlockFormat::Q5K, &block, |i| shifted(i, 5));

    let mut block = vec![0; 210];
    let scale = |i: usize| ((i / 16) as i32 * 17 - 128) as i8;
    for i in 0..256 {
        let (side, quarter, lane) = (i / 128, i / 32 % 4, i % 32);
        let low_byte = 64 * side + lane + if quarter % 2 == 1 { 32 } else { 0 };
        let low_bit = if quarter >= 2 { 4 } else { 0 };
        put(&mut block[..128], 8 * low_byte + low_bit, 4, level(i, 6) & 15);
        put(&mut block[128..192], 8 * (32 * side + lane) + 2 * quarter, 2, level(i, 6) >> 4);
        block[192 + i / 16] = scale(i).cast_unsigned();
    }
    put_half(&mut block, 208, -0.03125);
    check(BlockFormat::Q6K, &block, |i| {
        -0.03125 * f32::from(scale(i)) * (level(i, 6) as f32 - 32.0)
    });
}

#[test]
fn bytes_written_by_hand() {
    // 0x3c00 is 1, 0x4000 is 2 in half floats.
    let mut block = vec![0x00, 0x3c];
    block.extend([0x1f; 16]);
    let values = BlockFormat::Q4_0.values(&block);
    assert_eq!((values[0], values[15], values[16], values[31]), (7.0, 7.0, -7.0, -7.0));

    let mut block = vec![0x00, 0x40, 0x01, 0x00, 0x00, 0x80];
    block.extend([0x00; 16]);
    let values = BlockFormat::Q5_0.values(&block);
    assert_eq!((values[0], values[1], values[30], values[31]), (0.0, -32.0, -32.0, 0.0));

    let mut block = vec![0x00, 0x40];
    block.extend([0x80; 32]);
    assert_eq!(BlockFormat::Q8_0.values(&block)[7], -256.0);

    // Scale 1 of value 3 and offset 2 of value 1 in group 0: 3 * 15 - 2.
    let mut block = vec![0x00, 0x3c, 0x00, 0x40, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    block.extend([0x0f; 128]);
    let values = BlockFormat::Q4K.values(&block);
    assert_eq!((values[0], values[31], values[32]), (43.0, 43.0, 0.0));

    // A fifth bit in group 0 of lane 0 only: 3 * 31 - 2.
    block.splice(16..16, [0; 32]);
    block[16] = 1;
    let values = BlockFormat::Q5K.values(&block);
    assert_eq!((values[0], values[1], values[32]), (91.0, 43.0, 0.0));

    // Level 0 is -32; scales are -1 in the first sixteen and 0 elsewhere.
    let mut block = vec![0; 192];
    block.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x40]);
    let values = BlockFormat::Q6K.values(&block);
    assert_eq!((values[0], values[15], values[16]), (64.0, 64.0, 0.0));
}
