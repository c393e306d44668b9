//! Cleans prompts as the open video models had theirs cleaned: signs that look alike become one, HTML entities become
//! signs, white space collapses. It changes tokens, so it is part of the model.
//!
//! It does not repair text that was decoded with the wrong encoding, as the original does.
//!
//! Source: Wan2.1 `wan/modules/tokenizers.py`, `basic_clean` and `whitespace_clean`; ftfy 6.3.1, `fix_text`.

use tokenizers::normalizers::{NFC, NFKC};
use tokenizers::{NormalizedString, Normalizer};

/// What Windows shows for the control characters U+0080 to U+009F; blank where it shows nothing.
const WINDOWS_1252: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

/// The prompt as the text encoder's tokenizer wants it.
pub fn clean(text: &str) -> String {
    let fixed = fix(text);
    let unescaped = html_escape::decode_html_entities(&fixed);
    let unescaped = html_escape::decode_html_entities(&unescaped);
    unescaped.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fixes again and again until nothing changes, since an entity may hide what is to be fixed.
///
/// It ends: all but the entities is done after one pass, and each entity makes the text shorter.
fn fix(text: &str) -> String {
    let is_markup = text.contains('<');
    let mut text = text.to_owned();
    loop {
        let unescaped = if is_markup {
            text.clone()
        } else {
            html_escape::decode_html_entities(&text).into_owned()
        };
        let mut fixed = String::with_capacity(unescaped.len());
        for sign in without_escapes(&unescaped).chars() {
            push_fixed(sign, &mut fixed);
        }
        let fixed = normalised(&NFC, &fixed);
        if fixed == text {
            return fixed;
        }
        text = fixed;
    }
}

/// Appends what stands for `sign` in plain text.
fn push_fixed(sign: char, out: &mut String) {
    let sign = match sign {
        '\u{80}'..='\u{9f}' => match WINDOWS_1252.chars().nth(sign as usize - 0x80) {
            Some(shown) if shown != ' ' => shown,
            _ => sign,
        },
        _ => sign,
    };
    match sign {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => out.push('\''),
        '\u{201c}'..='\u{201f}' => out.push('"'),
        '\u{3000}' => out.push(' '),
        // full and half widths
        '\u{ff01}'..='\u{ffef}' => out.push_str(&normalised(&NFKC, sign.encode_utf8(&mut [0; 4]))),
        // controls but tab, line ends and form feed; marks of direction, of byte order and of annotation
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' => {}
        '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => {}
        _ => match ligature(sign) {
            Some(letters) => out.push_str(letters),
            None => out.push(sign),
        },
    }
}

/// The letters of a ligature or digraph of Latin script.
fn ligature(sign: char) -> Option<&'static str> {
    Some(match sign {
        '\u{132}' => "IJ",
        '\u{133}' => "ij",
        '\u{149}' => "\u{2bc}n",
        '\u{1f1}' => "DZ",
        '\u{1f2}' => "Dz",
        '\u{1f3}' => "dz",
        '\u{1c4}' => "D\u{17d}",
        '\u{1c5}' => "D\u{17e}",
        '\u{1c6}' => "d\u{17e}",
        '\u{1c7}' => "LJ",
        '\u{1c8}' => "Lj",
        '\u{1c9}' => "lj",
        '\u{1ca}' => "NJ",
        '\u{1cb}' => "Nj",
        '\u{1cc}' => "nj",
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' => "\u{17f}t",
        '\u{fb06}' => "st",
        _ => return None,
    })
}

/// The text without the sequences that colour a terminal: `ESC [ digits and semicolons letter`.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split("\u{1b}[");
    out.push_str(pieces.next().unwrap_or(""));
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            out.push_str(&rest[1..]);
        } else {
            out.push_str("\u{1b}[");
            out.push_str(piece);
        }
    }
    out
}

fn normalised(form: &impl Normalizer, text: &str) -> String {
    let mut normalised = NormalizedString::from(text);
    form.normalize(&mut normalised).expect("forms of Unicode exist for all text");
    normalised.get().to_owned()
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn signs_that_look_alike_become_one() {
        for (text, wanted) in [
            ("a cat", "a cat"),
            ("", ""),
            ("  two\twords \r\n here\u{2028}\u{a0}now\u{3000} ", "two words here now"),
            ("色调艳丽，过曝，静态！", "色调艳丽,过曝,静态!"),
            ("ＡＢＣ１２３", "ABC123"),
            ("\u{ff76}\u{ff9e}", "\u{30ac}"),
            ("\u{201c}it\u{2019}s\u{201d} \u{2018}so\u{2019}", "\"it's\" 'so'"),
            ("e\u{301}te\u{301}", "\u{e9}t\u{e9}"),
            ("\u{fb01}ne \u{fb03}x \u{1c6}", "fine ffix d\u{17e}"),
            ("\u{149}", "'n"),
            ("\u{1b}[36;44mblue\u{1b}[0m sky", "blue sky"),
            ("a\u{0}b\u{7f}c\u{feff}d", "abcd"),
            ("wait\u{85} \u{93}now\u{94}", "wait\u{2026} \"now\""),
            ("salt &amp; pepper &lt;3", "salt & pepper <3"),
            ("&amp;amp;amp;quot;", "\""),
            ("<b> &amp;amp; &#233;", "<b> & \u{e9}"),
            ("＆ａｍｐ；", "&"),
            ("R&D; AT&T", "R&D; AT&T"),
        ] {
            assert_eq!(clean(text), wanted, "{text:?}");
        }
    }
}
