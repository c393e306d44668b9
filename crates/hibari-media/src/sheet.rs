//! Contact sheets: many small pictures with captions on one large one.

use font8x8::UnicodeFonts;

use crate::error::MediaError;
use crate::frame::Frame;
use crate::mp4::FrameRate;

const GLYPH: usize = 8;
const LINE: usize = GLYPH + 2;
const GAP: usize = 6;
const MAX_LINES: usize = 3;
const PAPER: [u8; 3] = [24, 24, 27];
const INK: [u8; 3] = [235, 235, 235];

/// Lays pictures out in rows of `columns`, each with its caption below, wrapped at words to the picture's width.
///
/// # Errors
/// [`MediaError::NoFrames`] without pictures.
///
/// # Panics
/// if `columns` is zero
pub fn contact_sheet(items: &[(Frame, String)], columns: usize) -> Result<Frame, MediaError> {
    assert!(columns > 0, "a sheet of {columns} columns");
    let cell_width =
        items.iter().map(|(frame, _)| frame.width).max().ok_or(MediaError::NoFrames)?;
    let cell_height =
        items.iter().map(|(frame, _)| frame.height).max().ok_or(MediaError::NoFrames)?;
    let captions: Vec<_> = items.iter().map(|(_, text)| wrap(text, cell_width / GLYPH)).collect();
    let lines = captions.iter().map(Vec::len).max().unwrap_or(0);
    let row_height = cell_height + GAP + lines * LINE;
    let columns = columns.min(items.len());
    let rows = items.len().div_ceil(columns);
    let mut sheet =
        Frame::filled(GAP + columns * (cell_width + GAP), GAP + rows * (row_height + GAP), PAPER);
    for (index, ((frame, _), caption)) in items.iter().zip(&captions).enumerate() {
        let x = GAP + index % columns * (cell_width + GAP);
        let y = GAP + index / columns * (row_height + GAP);
        sheet.paste(frame, x, y);
        for (line, text) in caption.iter().enumerate() {
            draw_text(&mut sheet, text, x, y + cell_height + GAP / 2 + line * LINE);
        }
    }
    Ok(sheet)
}

/// Evenly spaced frames of one video, the first and the last among them, each with its time in seconds.
///
/// # Errors
/// [`MediaError::NoFrames`] without frames.
///
/// # Panics
/// if `columns` is zero
pub fn video_sheet(frames: &[Frame], rate: FrameRate, columns: usize) -> Result<Frame, MediaError> {
    rate.check()?;
    let count = frames.len().min(columns * 2);
    let items: Vec<_> = (0..count)
        .map(|index| {
            let at = if count > 1 { index * (frames.len() - 1) / (count - 1) } else { 0 };
            (frames[at].clone(), format!("{:.2} s", rate.seconds(at)))
        })
        .collect();
    contact_sheet(&items, columns)
}

/// Writes one line, its top left corner at (`x`, `y`); letters the font lacks become `?`.
fn draw_text(sheet: &mut Frame, text: &str, x: usize, y: usize) {
    for (index, letter) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let Some(glyph) = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')) else { continue };
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..GLYPH).filter(|column| bits >> column & 1 == 1) {
                let (x, y) = (x + index * GLYPH + column, y + row);
                if x < sheet.width && y < sheet.height {
                    let at = (y * sheet.width + x) * 3;
                    sheet.rgb[at..at + 3].copy_from_slice(&INK);
                }
            }
        }
    }
}

/// Lines of at most `width` letters, broken at words; a longer word is cut, and what is past three lines is dropped.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().take(width).collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_wrap_at_words() {
        assert_eq!(wrap("a red ball in the park", 8), ["a red", "ball in", "the park"]);
        assert_eq!(wrap("extraordinary", 5), ["extra"]);
        assert!(wrap("", 5).is_empty());
    }

    #[test]
    fn a_sheet_has_room_for_all_and_shows_ink() {
        let items: Vec<_> =
            (0_u8..5).map(|i| (Frame::filled(64, 36, [i * 40; 3]), format!("item {i}"))).collect();
        let sheet = contact_sheet(&items, 3).unwrap();
        assert_eq!((sheet.width, sheet.height), (6 + 3 * 70, 6 + 2 * (36 + 6 + 10 + 6)));
        assert_eq!(sheet.pixel(6 + 70, 6), [40; 3]);
        assert!(sheet.rgb.chunks_exact(3).filter(|pixel| *pixel == INK).count() > 100);
        assert!(matches!(contact_sheet(&[], 3), Err(MediaError::NoFrames)));
    }

    #[test]
    fn a_video_sheet_spans_the_video() {
        let frames: Vec<_> = (0_u8..49).map(|i| Frame::filled(32, 32, [i; 3])).collect();
        let sheet = video_sheet(&frames, FrameRate::from(12), 4).unwrap();
        assert_eq!(sheet.pixel(6, 6), [0; 3]);
        assert_eq!(sheet.pixel(sheet.width - 7, 6 + 32 + 6 + 20 + 6), [48; 3]);
    }
}
