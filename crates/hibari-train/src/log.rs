//! `log.jsonl`: one line of JSON for each step, with no step twice however often a run was resumed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The file's name in the folder of the run.
pub const FILE_NAME: &str = "log.jsonl";

/// A step, as logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The step, counted from 0.
    pub step: u64,
    /// Its loss; `None` if the step was skipped.
    pub loss: Option<f32>,
    /// Terms of the loss, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Option<f32>>,
    /// Learning rate.
    pub rate: f32,
    /// Euclidean norm of the whole gradient, before clipping; `None` if the step was skipped.
    pub gradient_norm: Option<f64>,
    /// Items a second in this step.
    pub items_per_s: f64,
    /// 10^12 floating point operations a second in this step.
    pub tflops: f64,
    /// Seconds since the run began, earlier sessions included.
    pub elapsed_secs: f64,
    /// Figures of the look at the averaged model, where there was one after this step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Option<f64>>,
}

/// Reads the lines of a run, in order; a last line that was cut off is left out.
///
/// # Errors
/// if the file is there and cannot be read
pub fn read(folder: &Path) -> Result<Vec<Line>, Error> {
    let path = folder.join(FILE_NAME);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::file(&path)(error)),
    }
}

/// The open log, and the loss of each step in it.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    losses: Vec<(u64, f32)>,
}

impl Log {
    /// Opens the log of a run that goes on at `step`: later lines are from steps that will be done again, and go.
    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self, Error> {
        let path = folder.join(FILE_NAME);
        let mut lines = read(folder)?;
        lines.retain(|line| line.step < step);
        let text: String = lines.iter().map(text).collect();
        write_aside(&path, text.as_bytes())?;
        let file = File::options().append(true).open(&path).map_err(Error::file(&path))?;
        let losses = lines.iter().filter_map(|line| Some((line.step, line.loss?))).collect();
        Ok(Self { path, file, losses })
    }

    /// Appends a line.
    pub(crate) fn add(&mut self, line: &Line) -> Result<(), Error> {
        self.losses.extend(line.loss.map(|loss| (line.step, loss)));
        self.file.write_all(text(line).as_bytes()).map_err(Error::file(&self.path))
    }

    /// Step and loss of all steps that were not skipped.
    pub(crate) fn losses(&self) -> &[(u64, f32)] {
        &self.losses
    }
}

/// Writes a file beside its place and renames it.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path)).map_err(Error::file(path))
}

fn text(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("numbers and strings are JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64) -> Line {
        Line {
            step,
            loss: (step != 2).then_some(0.5),
            parts: BTreeMap::from([("pixels".to_owned(), Some(0.25))]),
            rate: 1e-3,
            gradient_norm: Some(1.5),
            items_per_s: 10.0,
            tflops: 0.1,
            elapsed_secs: 0.75,
            figures: BTreeMap::new(),
        }
    }

    #[test]
    fn a_resumed_log_repeats_no_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path(), 0).unwrap();
        (0..5).for_each(|step| log.add(&line(step)).unwrap());
        drop(log);
        let path = folder.path().join(FILE_NAME);
        let mut cut = fs::read(&path).unwrap();
        cut.extend(b"{\"step\":5,\"lo");
        fs::write(&path, cut).unwrap();
        assert_eq!(read(folder.path()).unwrap(), (0..5).map(line).collect::<Vec<_>>());

        let mut log = Log::open(folder.path(), 3).unwrap();
        assert_eq!(log.losses(), [(0, 0.5), (1, 0.5)], "step 2 was skipped");
        (3..5).for_each(|step| log.add(&line(step)).unwrap());
        assert_eq!(read(folder.path()).unwrap(), (0..5).map(line).collect::<Vec<_>>());
    }
}
