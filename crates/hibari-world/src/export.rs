//! Clips with all that is known of them as files: a video with its facts beside it, or a data set in the form of
//! WebDataset, tar files of samples whose parts share a name, with an index in Parquet.
//!
//! A sample is `NAME.mp4`, `NAME.json` (script, captions with times, state of every frame) and `NAME.txt` (the dense
//! caption); with dense truth also `NAME.ids.npy`, `NAME.depth.npy` and `NAME.flow.npy`. The same scripts give the same
//! bytes. Source: the WebDataset format, <https://github.com/webdataset/webdataset>; NumPy's format 1.0.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hibari_media::{Frame, FrameRate, MediaError, Mp4Options, encode_mp4};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde::Serialize;

use crate::clip::ClipRenderer;
use crate::grammar::{Detail, Sentence};
use crate::script::Script;
use crate::timeline::Timeline;
use crate::truth::FrameState;
use crate::vocabulary::{Mix, Term};

/// How clips are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// Clips in a tar file; at least one.
    pub per_shard: usize,
    /// Whether ids, depth and flow of every frame are written, too.
    pub dense: bool,
    /// Quantiser of the videos, 0 best to 51.
    pub quantiser: u8,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file or folder cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A video cannot be encoded.
    #[error("the video of `{name}` cannot be written")]
    Video {
        /// Name of the clip.
        name: String,
        /// Why.
        #[source]
        source: MediaError,
    },
    /// The index cannot be written.
    #[error("the index of the clips cannot be written")]
    Index {
        /// Why.
        #[from]
        source: ParquetError,
    },
}

impl ExportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { .. } | Self::Index { .. } => {
                "check that the folder exists, may be written and has room"
            }
            Self::Video { source, .. } => source.hint(),
        }
    }
}

/// What is known of a clip, as it is written beside its video.
#[derive(Serialize)]
struct Facts<'a> {
    script: &'a Script,
    captions: Captions,
    frames: &'a [FrameState],
}

#[derive(Serialize)]
struct Captions {
    dense: Vec<Said>,
    medium: Vec<Said>,
    short: Vec<Said>,
}

/// A sentence, and when it holds.
#[derive(Serialize)]
struct Said {
    text: String,
    shot: usize,
    start_secs: f32,
    end_secs: f32,
}

/// A rendered clip.
struct Clip {
    frames: Vec<Frame>,
    states: Vec<FrameState>,
    ids: Vec<u8>,
    depth: Vec<f32>,
    flow: Vec<f32>,
}

/// Writes `NAME.mp4` and `NAME.json` into a folder.
///
/// # Errors
/// [`ExportError`] if a file cannot be written
/// # Panics
/// if the script is not valid
pub fn export_clip(
    folder: &Path,
    name: &str,
    script: &Script,
    quantiser: u8,
) -> Result<(), ExportError> {
    let clip = render(&mut ClipRenderer::new(), script, false);
    encode(&folder.join(format!("{name}.mp4")), name, script, &clip.frames, quantiser)?;
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, facts(script, &clip.states))
        .map_err(|source| ExportError::Write { path, source })
}

/// Writes clips as `clips-000000.tar`, `clips-000001.tar`, … and `clips.parquet` into a folder, which is made if needed.
/// `progress` is told how many clips are done; returns the shards.
///
/// # Errors
/// [`ExportError`] if a file cannot be written
/// # Panics
/// if a script is not valid, or a shard is to hold no clip
pub fn export_set(
    folder: &Path,
    scripts: &mut dyn Iterator<Item = Script>,
    options: &ExportOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<PathBuf>, ExportError> {
    assert!(options.per_shard > 0, "a shard of no clips");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ExportError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let aside = tempfile::tempdir_in(folder).map_err(failed(folder))?;
    let mut renderer = ClipRenderer::new();
    let mut index = Index::default();
    let mut shards: Vec<PathBuf> = Vec::new();
    let mut shard: Option<tar::Builder<File>> = None;
    for (n, script) in scripts.enumerate() {
        if n % options.per_shard == 0 {
            finish(&mut shard, shards.last(), folder)?;
            let path = folder.join(format!("clips-{:06}.tar", n / options.per_shard));
            shard = Some(tar::Builder::new(File::create(&path).map_err(failed(&path))?));
            shards.push(path);
        }
        let (Some(tar), Some(path)) = (&mut shard, shards.last()) else { continue };
        let name = format!("{n:09}");
        let clip = render(&mut renderer, &script, options.dense);
        let video = aside.path().join("clip.mp4");
        encode(&video, &name, &script, &clip.frames, options.quantiser)?;
        let caption = script.caption(Detail::Dense, script.seed).text();
        let mut parts: Vec<(&str, Vec<u8>)> = vec![
            ("mp4", fs::read(&video).map_err(failed(&video))?),
            ("json", facts(&script, &clip.states)),
            ("txt", caption.clone().into_bytes()),
        ];
        if options.dense {
            let (width, height) = (script.width as usize, script.height as usize);
            let n_frames = clip.frames.len();
            let step = crate::render::FLOW_STEP;
            let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
            parts.push(("ids.npy", npy("|u1", &[n_frames, height, width], clip.ids)));
            parts.push(("depth.npy", npy("<f4", &[n_frames, height, width], floats(&clip.depth))));
            let shape = [n_frames, height / step, width / step, 2];
            parts.push(("flow.npy", npy("<f4", &shape, floats(&clip.flow))));
        }
        for (ending, bytes) in parts {
            append(tar, &format!("{name}.{ending}"), &bytes).map_err(failed(path))?;
        }
        index.push(&name, path, &script, caption);
        progress(n + 1);
    }
    finish(&mut shard, shards.last(), folder)?;
    index.write(&folder.join("clips.parquet"))?;
    Ok(shards)
}

/// Closes a shard.
fn finish(
    shard: &mut Option<tar::Builder<File>>,
    path: Option<&PathBuf>,
    folder: &Path,
) -> Result<(), ExportError> {
    let Some(tar) = shard.take() else { return Ok(()) };
    let path = path.map_or_else(|| folder.to_owned(), Clone::clone);
    let done = tar.into_inner().and_then(|file| file.sync_all());
    done.map_err(|source| ExportError::Write { path, source })
}

/// Adds a file that belongs to nobody and to no time, so that the same content gives the same bytes.
fn append(tar: &mut tar::Builder<File>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, name, bytes)
}

fn render(renderer: &mut ClipRenderer, script: &Script, dense: bool) -> Clip {
    let timeline = Timeline::new(script);
    let n = timeline.n_frames();
    let mut clip = Clip {
        frames: Vec::with_capacity(n as usize),
        states: Vec::with_capacity(n as usize),
        ids: Vec::new(),
        depth: Vec::new(),
        flow: Vec::new(),
    };
    for index in 0..n {
        let truth = renderer.truth_in(&timeline, script, index, dense);
        clip.frames.push(truth.frame);
        clip.states.push(truth.state);
        if dense {
            clip.ids.extend(truth.ids);
            clip.depth.extend(truth.depth);
            clip.flow.extend(truth.flow.into_iter().flatten());
        }
    }
    clip
}

fn encode(
    path: &Path,
    name: &str,
    script: &Script,
    frames: &[Frame],
    quantiser: u8,
) -> Result<(), ExportError> {
    let options = Mp4Options { quantiser, provenance: None };
    encode_mp4(path, frames, FrameRate::from(script.fps), &options, &mut |_| {})
        .map_err(|source| ExportError::Video { name: name.to_owned(), source })
}

fn facts(script: &Script, frames: &[FrameState]) -> Vec<u8> {
    let said = |sentence: Sentence| Said {
        text: sentence.text,
        shot: sentence.shot,
        start_secs: sentence.start_secs,
        end_secs: sentence.end_secs,
    };
    let told = |detail| {
        script.caption(detail, script.seed).sentences.into_iter().map(said).collect::<Vec<_>>()
    };
    let captions = Captions {
        dense: told(Detail::Dense),
        medium: told(Detail::Medium),
        short: told(Detail::Short),
    };
    serde_json::to_vec(&Facts { script, captions, frames }).expect("facts hold only plain values")
}

/// An array as NumPy keeps it.
fn npy(kind: &str, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    let mut header = format!(
        "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({},), }}",
        sides.join(", ")
    );
    // The data begin at a multiple of 64 bytes; the header ends with a line break.
    let used = 10 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a header of a few numbers");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend(data);
    bytes
}

/// One row for each clip, column by column.
#[derive(Default)]
struct Index {
    texts: [Vec<ByteArray>; 10],
    numbers: [Vec<i64>; 5],
}

/// Names of the columns, texts first.
const TEXTS: [&str; 10] =
    ["key", "shard", "mix", "place", "light", "weather", "subject", "colour", "action", "caption"];
const NUMBERS: [&str; 5] = ["seed", "frames", "fps", "width", "height"];

impl Index {
    fn push(&mut self, name: &str, shard: &Path, script: &Script, caption: String) {
        let attributes = script.attributes();
        let shard = shard.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mix = match script.mix() {
            Mix::First => "first",
            Mix::Whole => "whole",
        };
        let row = [
            name,
            shard,
            mix,
            attributes.place.name(),
            attributes.light.name(),
            script.shots[0].weather.name(),
            attributes.subject.name(),
            attributes.colour.name(),
            attributes.action.name(),
            &caption,
        ];
        for (column, text) in self.texts.iter_mut().zip(row) {
            column.push(ByteArray::from(text));
        }
        let sizes = [script.frames(), script.fps, script.width, script.height].map(i64::from);
        // The bits of a seed; those above 2^63 come out negative.
        let row = [script.seed.cast_signed(), sizes[0], sizes[1], sizes[2], sizes[3]];
        for (column, number) in self.numbers.iter_mut().zip(row) {
            column.push(number);
        }
    }

    fn write(&self, path: &Path) -> Result<(), ExportError> {
        let mut schema = String::from("message clips {");
        for name in TEXTS {
            schema.push_str(&format!(" REQUIRED BYTE_ARRAY {name} (UTF8);"));
        }
        for name in NUMBERS {
            schema.push_str(&format!(" REQUIRED INT64 {name};"));
        }
        schema.push_str(" }");
        let schema = Arc::new(parse_message_type(&schema)?);
        let file = File::create(path)
            .map_err(|source| ExportError::Write { path: path.to_owned(), source })?;
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(file, schema, properties)?;
        let mut group = writer.next_row_group()?;
        for column in &self.texts {
            if let Some(mut writer) = group.next_column()? {
                writer.typed::<ByteArrayType>().write_batch(column, None, None)?;
                writer.close()?;
            }
        }
        for column in &self.numbers {
            if let Some(mut writer) = group.next_column()? {
                writer.typed::<Int64Type>().write_batch(column, None, None)?;
                writer.close()?;
            }
        }
        group.close()?;
        writer.close()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::sample::{ClipForm, Split};

    const FORM: ClipForm = ClipForm { width: 64, height: 32, fps: 12, frames: 8 };

    fn scripts() -> impl Iterator<Item = Script> {
        (0..5).map(|seed| Script::sample_story(Mix::Whole, seed, Split::Train, FORM, 2))
    }

    #[test]
    fn a_set_holds_every_clip_whole_and_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let options = ExportOptions { per_shard: 3, dense: true, quantiser: 20 };
        let mut done = Vec::new();
        let shards =
            export_set(folder.path(), &mut scripts(), &options, &mut |n| done.push(n)).unwrap();
        assert_eq!((shards.len(), done), (2, vec![1, 2, 3, 4, 5]));
        let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for shard in &shards {
            for entry in tar::Archive::new(File::open(shard).unwrap()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_owned();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                assert!(parts.insert(name, bytes).is_none());
            }
        }
        assert_eq!(parts.len(), 5 * 6, "{:?}", parts.keys());
        for (n, script) in scripts().enumerate() {
            let part = |ending: &str| &parts[&format!("{n:09}.{ending}")];
            let facts: serde_json::Value = serde_json::from_slice(part("json")).unwrap();
            let read = Script::from_json(&facts["script"].to_string()).unwrap();
            assert_eq!(read, script);
            assert_eq!(facts["frames"].as_array().unwrap().len(), 8);
            assert_eq!(facts["captions"]["dense"][0]["start_secs"], 0.0);
            assert_eq!(&part("mp4")[4..8], b"ftyp");
            assert_eq!(part("ids.npy").len() % 64, 0);
            assert!(part("depth.npy").len() >= 8 * 64 * 32 * 4 + 64);
            assert!(part("flow.npy").starts_with(b"\x93NUMPY\x01\x00"));
        }
        let index = File::open(folder.path().join("clips.parquet")).unwrap();
        let reader = SerializedFileReader::new(index).unwrap();
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 5);
        for (row, script) in rows.iter().zip(scripts()) {
            let caption = script.caption(Detail::Dense, script.seed).text();
            assert!(
                row.contains(&caption) && row.contains(&format!("seed: {}", script.seed)),
                "{row}"
            );
        }
        // Nothing else is left behind, and the same scripts give the same bytes.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let again = tempfile::tempdir().unwrap();
        let copies = export_set(again.path(), &mut scripts(), &options, &mut |_| {}).unwrap();
        for (one, other) in shards.iter().zip(&copies) {
            assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{}", one.display());
        }
    }

    #[test]
    fn a_clip_lies_beside_its_facts_and_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let script = scripts().next().unwrap();
        export_clip(folder.path(), "one", &script, 20).unwrap();
        let text = fs::read_to_string(folder.path().join("one.json")).unwrap();
        assert!(text.contains("\"visible\"") && folder.path().join("one.mp4").exists());
        let error = export_clip(&folder.path().join("none"), "one", &script, 20).unwrap_err();
        assert!(!error.hint().is_empty());
    }
}
