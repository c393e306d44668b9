//! Frames to an MP4 file.

use std::num::NonZeroU32;
use std::path::Path;

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate as EncoderRate, IntraFramePeriod, Profile, QpRange,
    RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use shiguredo_mp4::boxes::{Avc1Box, AvccBox, SampleEntry, UnknownBox, VisualSampleEntryFields};
use shiguredo_mp4::mux::{
    Mp4FileMuxer, Mp4FileMuxerOptions, Sample, estimate_maximum_moov_box_size,
};
use shiguredo_mp4::{BoxSize, BoxType, Encode, TrackKind, Uint};

use super::{FrameRate, Mp4Options, check_frames};
use crate::error::MediaError;
use crate::frame::Frame;
use crate::provenance::{mp4_box, mp4_user_data};
use crate::{atomic, colour};

/// A frame's coded bytes, each unit behind its length.
struct Access {
    data: Vec<u8>,
    is_key: bool,
}

/// The coded video.
#[derive(Default)]
struct Track {
    sequence_set: Vec<u8>,
    picture_set: Vec<u8>,
    accesses: Vec<Access>,
}

/// Encodes frames and writes them to `path`; the file appears whole or not at all.
///
/// Sides are even, 16 to 3840 by 16 to 2160 pixels or the same upright. `progress` is told how many frames are done.
///
/// # Errors
/// if there are no frames, their sizes differ or are unsuitable, or the file cannot be written
pub fn encode_mp4(
    path: &Path,
    frames: &[Frame],
    rate: FrameRate,
    options: &Mp4Options,
    progress: &mut dyn FnMut(usize),
) -> Result<(), MediaError> {
    let (width, height) = check_frames(frames)?;
    let fits = width.min(height) >= 16 && width.max(height) <= 3840 && width.min(height) <= 2160;
    if !fits || width % 2 == 1 || height % 2 == 1 {
        return Err(MediaError::VideoSize { width, height });
    }
    rate.check()?;
    let track = encode_track(frames, rate, options.quantiser, progress)?;
    let json = options.provenance.as_ref().map(crate::provenance::Provenance::to_json);
    let file = file_from_track(&track, width, height, rate, json.as_deref())?;
    atomic::write(path, &file)?;
    tracing::debug!(path = %path.display(), frames = frames.len(), bytes = file.len(), "wrote video");
    Ok(())
}

fn encode_track(
    frames: &[Frame],
    rate: FrameRate,
    quantiser: u8,
    progress: &mut dyn FnMut(usize),
) -> Result<Track, MediaError> {
    let mut encoder =
        Encoder::with_api_config(OpenH264API::from_source(), config(&frames[0], rate, quantiser))
            .map_err(MediaError::encode)?;
    let mut track = Track::default();
    for (index, frame) in frames.iter().enumerate() {
        let planes = colour::planes_from_frame(frame);
        let half = planes.width / 2;
        let source = YUVSlices::new(
            (&planes.luma, &planes.blue, &planes.red),
            (planes.width, planes.height),
            (planes.width, half, half),
        );
        let stream = encoder.encode(&source).map_err(MediaError::encode)?.to_vec();
        track.push(&stream)?;
        progress(index + 1);
    }
    if track.sequence_set.len() < 4 || track.picture_set.is_empty() {
        return Err(MediaError::encode("the stream has no parameter sets"));
    }
    Ok(track)
}

/// One quantiser for all frames and one thread: the same frames give the same bytes.
fn config(frame: &Frame, rate: FrameRate, quantiser: u8) -> EncoderConfig {
    let quantiser = quantiser.clamp(12, 40);
    let hertz = f64::from(rate.numerator) / f64::from(rate.denominator);
    let two_seconds = (2 * rate.numerator).div_ceil(rate.denominator);
    let pixels = u32::try_from(frame.width * frame.height).unwrap_or(u32::MAX);
    EncoderConfig::new()
        .profile(Profile::High)
        .vui(VuiConfig::bt709())
        .usage_type(UsageType::CameraVideoRealTime)
        .rate_control_mode(RateControlMode::Bufferbased)
        .qp(QpRange::new(quantiser, quantiser))
        .bitrate(BitRate::from_bps(pixels.saturating_mul(24).clamp(1_000_000, 50_000_000)))
        .max_frame_rate(EncoderRate::from_hz(hertz as f32))
        .intra_frame_period(IntraFramePeriod::from_num_frames(two_seconds))
        .skip_frames(false)
        .scene_change_detect(false)
        .adaptive_quantization(false)
        .background_detection(false)
        .num_threads(1)
}

impl Track {
    /// Takes one frame's units: parameter sets aside, the rest as a sample.
    fn push(&mut self, stream: &[u8]) -> Result<(), MediaError> {
        let mut access = Access { data: Vec::new(), is_key: false };
        for unit in openh264::nal_units(stream) {
            let unit = without_start_code(unit);
            match unit.first().map(|header| header & 31) {
                None => {}
                Some(7) => self.sequence_set = unit.to_vec(),
                Some(8) => self.picture_set = unit.to_vec(),
                Some(kind) => {
                    access.is_key |= kind == 5;
                    let length = u32::try_from(unit.len()).map_err(MediaError::encode)?;
                    access.data.extend(length.to_be_bytes());
                    access.data.extend(unit);
                }
            }
        }
        if access.data.is_empty() {
            return Err(MediaError::encode(format!("frame {} was skipped", self.accesses.len())));
        }
        self.accesses.push(access);
        Ok(())
    }
}

fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1])).unwrap_or(unit)
}

/// `ftyp`, `moov` with the user data, `free`, `mdat`.
fn file_from_track(
    track: &Track,
    width: usize,
    height: usize,
    rate: FrameRate,
    json: Option<&str>,
) -> Result<Vec<u8>, MediaError> {
    let user_data = json.map(mp4_user_data);
    let reserved = estimate_maximum_moov_box_size(&[track.accesses.len()])
        + user_data.as_ref().map_or(0, Vec::len)
        + 64;
    let options = Mp4FileMuxerOptions { reserved_moov_box_size: reserved, ..Default::default() };
    let mut muxer = Mp4FileMuxer::with_options(options).map_err(MediaError::encode)?;
    let mut file = muxer.initial_boxes_bytes().to_vec();
    let mut entry = Some(sample_entry(track, width, height)?);
    for access in &track.accesses {
        let sample = Sample {
            track_kind: TrackKind::Video,
            sample_entry: entry.take(),
            keyframe: access.is_key,
            timescale: NonZeroU32::new(rate.numerator).expect("checked"),
            duration: rate.denominator,
            composition_time_offset: None,
            data_offset: file.len() as u64,
            data_size: access.data.len(),
        };
        muxer.append_sample(&sample).map_err(MediaError::encode)?;
        file.extend(&access.data);
    }
    let finished = muxer.finalize().map_err(MediaError::encode)?;
    let mut media_start = 0;
    for (offset, bytes) in finished.offset_and_bytes_pairs() {
        let at = usize::try_from(offset).map_err(MediaError::encode)?;
        file[at..at + bytes.len()].copy_from_slice(bytes);
        media_start = media_start.max(at);
    }
    let mut index = finished.moov_box().clone();
    index.unknown_boxes.extend(user_data.as_deref().map(|content| child(*b"udta", content)));
    let index = index.encode_to_vec().map_err(MediaError::encode)?;
    let brands = u32::from_be_bytes([file[0], file[1], file[2], file[3]]) as usize;
    let filling = (media_start - brands)
        .checked_sub(index.len() + 8)
        .ok_or_else(|| MediaError::encode("the index outgrew the room kept for it"))?;
    let head = [index, mp4_box(*b"free", &vec![0; filling])].concat();
    file[brands..media_start].copy_from_slice(&head);
    Ok(file)
}

fn child(kind: [u8; 4], content: &[u8]) -> UnknownBox {
    let box_type = BoxType::Normal(kind);
    let box_size = BoxSize::with_payload_size(box_type, content.len() as u64);
    UnknownBox { box_type, box_size, payload: content.to_vec() }
}

fn sample_entry(track: &Track, width: usize, height: usize) -> Result<SampleEntry, MediaError> {
    let visual = VisualSampleEntryFields {
        data_reference_index: VisualSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
        width: u16::try_from(width).map_err(MediaError::encode)?,
        height: u16::try_from(height).map_err(MediaError::encode)?,
        horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
        vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
        frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
        compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
        depth: VisualSampleEntryFields::DEFAULT_DEPTH,
    };
    let avcc_box = AvccBox {
        avc_profile_indication: track.sequence_set[1],
        profile_compatibility: track.sequence_set[2],
        avc_level_indication: track.sequence_set[3],
        length_size_minus_one: Uint::new(3),
        sps_list: vec![track.sequence_set.clone()],
        pps_list: vec![track.picture_set.clone()],
        chroma_format: Some(Uint::new(1)),
        bit_depth_luma_minus8: Some(Uint::new(0)),
        bit_depth_chroma_minus8: Some(Uint::new(0)),
        sps_ext_list: Vec::new(),
    };
    let colour = child(*b"colr", b"nclx\0\x01\0\x01\0\x01\0"); // BT.709 thrice, limited range
    Ok(SampleEntry::Avc1(Avc1Box { visual, avcc_box, unknown_boxes: vec![colour] }))
}
