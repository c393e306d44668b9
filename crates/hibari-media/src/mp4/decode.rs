//! An MP4 file to frames.

use std::fs;
use std::path::Path;

use openh264::OpenH264API;
use openh264::decoder::{Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};

use super::{FrameRate, Video};
use crate::colour::{Planes, frame_from_planes};
use crate::error::MediaError;
use crate::frame::Frame;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Decodes all frames of an MP4 file with one H.264 track; colours are taken as BT.709 limited range.
///
/// # Errors
/// [`MediaError::Read`], or [`MediaError::Malformed`] if the file is damaged or of another kind.
pub fn decode_mp4(path: &Path) -> Result<Video, MediaError> {
    let bytes = fs::read(path).map_err(|source| MediaError::read(path, source))?;
    let (accesses, rate) =
        read_track(&bytes).map_err(|reason| MediaError::malformed(path, reason))?;
    // Flushing after each picture would break reordered streams; the rest is flushed once, at the end.
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|error| MediaError::malformed(path, error))?;
    let mut frames: Vec<Frame> = Vec::with_capacity(accesses.len());
    for access in &accesses {
        let picture = decoder.decode(access).map_err(|error| MediaError::malformed(path, error))?;
        frames.extend(picture.as_ref().map(frame_from_picture));
    }
    let rest = decoder.flush_remaining().map_err(|error| MediaError::malformed(path, error))?;
    frames.extend(rest.iter().map(frame_from_picture));
    match frames.first() {
        Some(&Frame { width, height, .. }) if frames.len() == accesses.len() => {
            Ok(Video { frames, rate, width, height })
        }
        _ => Err(MediaError::malformed(
            path,
            format!("{} of {} frames decode", frames.len(), accesses.len()),
        )),
    }
}

/// The coded frames of the first video track as streams with start codes, and the frame rate.
fn read_track(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, FrameRate), String> {
    let mut demuxer = Mp4FileDemuxer::new();
    while let Some(required) = demuxer.required_input() {
        let start = usize::try_from(required.position).ok().filter(|start| *start < bytes.len());
        let start = start.ok_or("it ends too early")?;
        demuxer.handle_input(Input { position: required.position, data: &bytes[start..] });
    }
    let tracks = demuxer.tracks().map_err(|error| error.to_string())?;
    let track = tracks
        .iter()
        .find(|track| track.kind == TrackKind::Video)
        .ok_or("it has no video track")?;
    let (wanted, timescale) = (track.track_id, track.timescale.get());
    let (mut accesses, mut duration, mut length_bytes) = (Vec::new(), 0, 4);
    while let Some(sample) = demuxer.next_sample().map_err(|error| error.to_string())? {
        if sample.track.track_id != wanted {
            continue;
        }
        let mut stream = Vec::with_capacity(sample.data_size + 64);
        match sample.sample_entry {
            Some(SampleEntry::Avc1(entry)) => {
                length_bytes = usize::from(entry.avcc_box.length_size_minus_one.get()) + 1;
                for set in entry.avcc_box.sps_list.iter().chain(&entry.avcc_box.pps_list) {
                    stream.extend(START_CODE);
                    stream.extend(set);
                }
            }
            Some(_) => return Err("its video is not H.264".to_owned()),
            None => {}
        }
        duration = duration.max(sample.duration);
        let start = usize::try_from(sample.data_offset).map_err(|error| error.to_string())?;
        let end = start.checked_add(sample.data_size);
        let data = end.and_then(|end| bytes.get(start..end)).ok_or("a frame lies outside of it")?;
        push_units(&mut stream, data, length_bytes)?;
        accesses.push(stream);
    }
    if accesses.is_empty() || duration == 0 {
        return Err("its video track is empty".to_owned());
    }
    Ok((accesses, FrameRate { numerator: timescale, denominator: duration }))
}

/// Turns units behind lengths into units behind start codes.
fn push_units(
    stream: &mut Vec<u8>,
    mut data: &[u8],
    length_bytes: usize,
) -> Result<(), &'static str> {
    while !data.is_empty() {
        let (length, rest) = data.split_at_checked(length_bytes).ok_or("a frame is cut short")?;
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length).ok_or("a frame is cut short")?;
        stream.extend(START_CODE);
        stream.extend(unit);
        data = rest;
    }
    Ok(())
}

/// The picture without its padding.
fn frame_from_picture(picture: &openh264::decoder::DecodedYUV<'_>) -> Frame {
    let (width, height) = picture.dimensions();
    let (luma_stride, blue_stride, red_stride) = picture.strides();
    let crop = |plane: &[u8], stride: usize, width: usize, height: usize| {
        plane.chunks(stride).take(height).flat_map(|row| row[..width].iter().copied()).collect()
    };
    frame_from_planes(&Planes {
        width,
        height,
        luma: crop(picture.y(), luma_stride, width, height),
        blue: crop(picture.u(), blue_stride, width / 2, height / 2),
        red: crop(picture.v(), red_stride, width / 2, height / 2),
    })
}
