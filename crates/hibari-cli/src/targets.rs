//! The files that a command writes: checked before the work, written after it, removed if it does not end well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hibari_media::{
    FrameRate, MediaError, Mp4Options, Provenance, encode_mp4, save_gif, save_still, video_sheet,
};
use hibari_pipeline::Clip;

use crate::args::Files;
use crate::cancel;
use crate::failure::Failure;

/// H.264 quantiser: visually lossless.
pub(crate) const QUANTISER: u8 = 18;
/// Columns of a sheet of frames.
const COLUMNS: usize = 4;
/// Longest file name made of a prompt, in letters.
const SLUG_CHARS: usize = 48;

/// Where a video goes.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) video: PathBuf,
    pub(crate) sheet: Option<PathBuf>,
    pub(crate) gif: Option<PathBuf>,
}

impl Targets {
    /// The files that `files` names, or a free name made of `prompt`.
    ///
    /// # Errors
    /// if one of them cannot be written, or exists and must not be replaced
    pub(crate) fn new(files: &Files, prompt: &str) -> Result<Self, Failure> {
        let targets = Self {
            video: files.out.clone().unwrap_or_else(|| free_name(prompt)),
            sheet: files.sheet.clone(),
            gif: files.gif.clone(),
        };
        check(&targets.video, &["mp4"], files.force)?;
        if let Some(path) = &targets.sheet {
            check(path, &["png", "webp"], files.force)?;
        }
        if let Some(path) = &targets.gif {
            check(path, &["gif"], files.force)?;
        }
        Ok(targets)
    }

    /// Where the video in the making is kept.
    pub(crate) fn state(&self) -> PathBuf {
        state_of(&self.video)
    }

    /// Writes all of them, or none.
    pub(crate) fn write(&self, clip: &Clip, made: &Provenance) -> Result<(), Failure> {
        let mut written = Written::default();
        let rate = FrameRate::from(clip.fps);
        if let Some(path) = &self.sheet {
            let sheet = video_sheet(&clip.frames, rate, COLUMNS)?;
            save_still(path, &sheet, Some(made))?;
            written.paths.push(path);
        }
        if let Some(path) = &self.gif {
            cancel::check()?;
            save_gif(path, &clip.frames, rate)?;
            written.paths.push(path);
        }
        cancel::check()?;
        let options = Mp4Options { quantiser: QUANTISER, provenance: Some(made.clone()) };
        encode_mp4(&self.video, &clip.frames, rate, &options, &mut |_done| {})?;
        written.paths.push(&self.video);
        cancel::check()?;
        written.paths.clear();
        Ok(())
    }
}

/// Files that are removed unless all goes well.
#[derive(Default)]
struct Written<'a> {
    paths: Vec<&'a Path>,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        for path in self.paths.iter().filter(|path| path.is_file()) {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a file could not be removed");
            }
        }
    }
}

/// Refuses a file that could not be written after all the work.
pub(crate) fn check(path: &Path, endings: &[&str], force: bool) -> Result<(), Failure> {
    let refused = |source: io::Error| MediaError::Write { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(refused(io::ErrorKind::IsADirectory.into()).into());
        }
        Ok(found) if !found.is_file() => return Ok(()), // a device or pipe has no ending, and is written in place
        Ok(_) if !force => {
            return Err(Failure::input(
                format!("`{}` exists", path.display()),
                "give another name, or --force to replace it",
            ));
        }
        _ => {}
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_lowercase();
    if !endings.contains(&ending.as_str()) {
        return Err(Failure::input(
            format!("`{}` has an ending that is not supported here", path.display()),
            format!("use a name that ends in .{}", endings.join(" or .")),
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(refused)?;
    Ok(())
}

/// A name in the current folder that no file has: `a-red-car.mp4`, else `a-red-car-2.mp4` and so on.
fn free_name(prompt: &str) -> PathBuf {
    let slug = slug(prompt);
    let name = |number: u32| match number {
        1 => PathBuf::from(format!("{slug}.mp4")),
        _ => PathBuf::from(format!("{slug}-{number}.mp4")),
    };
    let is_free = |path: &PathBuf| !path.exists() && !state_of(path).exists();
    (1..u32::MAX).map(name).find(is_free).unwrap_or_else(|| name(1))
}

/// `a.mp4.state` of `a.mp4`.
fn state_of(video: &Path) -> PathBuf {
    let mut name = video.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// The first words of `prompt`, fit for a file name.
fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for word in
        prompt.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
    {
        let word: String = word.to_lowercase().chars().take(SLUG_CHARS).collect();
        if slug.chars().count() + 1 + word.chars().count() > SLUG_CHARS && !slug.is_empty() {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word);
    }
    if slug.is_empty() { "video".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_the_first_words() {
        assert_eq!(slug("A Red car, at night!"), "a-red-car-at-night");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("公园里的狗"), "公园里的狗");
        assert_eq!(slug("?!"), "video");
        let long = slug(&"elephant ".repeat(100));
        assert!(long.len() <= SLUG_CHARS && long.ends_with("elephant"), "{long}");
        assert_eq!(slug(&"x".repeat(1000)).len(), SLUG_CHARS);
    }

    #[test]
    fn files_that_cannot_be_written_are_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("a.mp4");
        fs::write(&there, "old").unwrap();
        let code =
            |path: &Path, force| check(path, &["mp4"], force).map_err(|failure| failure.code);
        assert_eq!(code(&there, false), Err(2));
        assert_eq!(code(&there, true), Ok(()));
        assert_eq!(code(folder.path(), true), Err(2));
        assert_eq!(code(&folder.path().join("no/a.mp4"), false), Err(2));
        assert_eq!(code(&there.join("a.mp4"), false), Err(2));
        assert_eq!(code(&folder.path().join("a.avi"), false), Err(2));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
