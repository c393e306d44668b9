//! Where a script's text is wrong: the line of a field, and the nearest name to one that is not known.

use super::{FPS, FRAME_STEP, SIDE_PX, ScriptError};

/// "line 7: ", if there is a line.
pub(super) fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

/// "; the nearest valid value is `moon`", if there is one.
pub(super) fn nearest(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; the nearest valid value is `{name}`"))
}

/// What the reader of `source` says, in the words of a script, with the nearest name to one that is not known, and the
/// nearest number to one below zero.
pub(super) fn explained(error: serde_json::Error, source: &str) -> ScriptError {
    let message = error.to_string();
    let text = message.split(" at line ").next().unwrap_or(&message);
    if let Some(number) = text.strip_prefix("invalid value: integer `-") {
        let line = source.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let before = line.get(..error.column()).unwrap_or(line);
        let key = before.rsplit('"').nth(1).unwrap_or("a number");
        let number = number.split('`').next().unwrap_or_default();
        let nearest = match key {
            "frames" => FRAME_STEP,
            "width" | "height" => SIDE_PX.0,
            "fps" => FPS[0],
            _ => 0,
        };
        let reason = format!("`{key}` is `-{number}`: it cannot be negative");
        let nearest = Some(nearest.to_string());
        return ScriptError::Json { line: error.line(), reason, nearest };
    }
    let mut quoted = text.split('`').skip(1).step_by(2);
    let unknown = ["unknown variant", "unknown field"].iter().any(|start| text.starts_with(start));
    let (reason, nearest) = match quoted.next() {
        Some(found) if unknown => {
            let distance = |name: &&str| strsim::damerau_levenshtein(found, name);
            let what = if text.starts_with("unknown field") { "field" } else { "value" };
            let reason = format!("there is no {what} `{found}` here");
            (reason, quoted.min_by_key(distance).map(str::to_owned))
        }
        _ => (text.to_owned(), None),
    };
    ScriptError::Json { line: error.line(), reason, nearest }
}

/// The error with the line of its field in `text`.
pub(super) fn located(error: ScriptError, text: &str) -> ScriptError {
    match error {
        ScriptError::Invalid { field, value, reason, nearest, .. } => {
            let line = line_of(text, &field);
            ScriptError::Invalid { line, field, value, reason, nearest }
        }
        other => other,
    }
}

/// The line of a field such as `shots[0].roles[1].action` in valid JSON, or of the part around it that is there.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    for step in field.split(['.', '[']) {
        let before = scanner.at;
        let found = match step.strip_suffix(']') {
            Some(index) => scanner.enter_list(index.parse().ok()?),
            None => scanner.enter_object(step),
        };
        if !found {
            scanner.at = before;
            break;
        }
    }
    scanner.skip_space();
    Some(1 + text.as_bytes()[..scanner.at.min(text.len())].iter().filter(|b| **b == b'\n').count())
}

/// A position in valid JSON.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(b'}')
    }

    fn skip_space(&mut self) {
        while self.byte().is_ascii_whitespace() || matches!(self.byte(), b',' | b':') {
            self.at += 1;
        }
    }

    /// Goes to the value of `key` of the object that begins here.
    fn enter_object(&mut self, key: &str) -> bool {
        self.skip_space();
        if self.byte() != b'{' {
            return false;
        }
        self.at += 1;
        loop {
            self.skip_space();
            if self.byte() == b'}' {
                return false;
            }
            let from = self.at + 1;
            self.skip_value();
            let found = self.bytes.get(from..self.at - 1) == Some(key.as_bytes());
            self.skip_space();
            if found {
                return true;
            }
            self.skip_value();
        }
    }

    /// Goes to entry `index` of the list that begins here.
    fn enter_list(&mut self, index: usize) -> bool {
        self.skip_space();
        if self.byte() != b'[' {
            return false;
        }
        self.at += 1;
        for _ in 0..index {
            self.skip_value();
            self.skip_space();
        }
        self.skip_space();
        self.byte() != b']'
    }

    /// Goes behind the value that begins here.
    fn skip_value(&mut self) {
        self.skip_space();
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match self.byte() {
                b'"' => {
                    self.at += 1;
                    while self.at < self.bytes.len() && self.byte() != b'"' {
                        self.at += if self.byte() == b'\\' { 2 } else { 1 };
                    }
                    self.at += 1;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b if b.is_ascii_whitespace() || matches!(b, b',' | b':') => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while self.at < self.bytes.len()
                        && !matches!(self.byte(), b',' | b'}' | b']')
                        && !self.byte().is_ascii_whitespace()
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }
}
