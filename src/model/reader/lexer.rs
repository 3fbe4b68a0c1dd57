//! JSON tokens (RFC 8259) over a byte slice, for the [`Reader`].
//!
//! Why not a library: the reader needs the byte offset of every token, the
//! source text of numbers, lone surrogates and bad UTF-8 as issues with a path
//! rather than as an end, and strings borrowed from the source. The pull parser
//! jiter gives the offset alone. Measured over the official examples
//! (`cargo bench --bench read`, medians of one run), its pass over all tokens,
//! which builds nothing, takes 63 ms, ours 104, and a whole read 311: another
//! lexer could win an eighth.

use std::borrow::Cow;

use super::Reader;
use crate::model::{Rule, Severity};

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: u32 = 128;

impl<'a> Reader<'a> {
    /// The next byte after white space, without consuming it; 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.pos) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.skip_space(),
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Skips white space of at least one byte: indentation, eight at a time.
    #[inline]
    fn skip_space(&mut self) {
        self.pos += 1;
        while self.bytes.get(self.pos..self.pos + 8) == Some(b"        ") {
            self.pos += 8;
        }
        while let Some(b' ') = self.bytes.get(self.pos) {
            self.pos += 1;
        }
    }

    /// Consumes `{` or `[`, which the caller has peeked. False when that is one
    /// level too deep; the document ends there.
    pub(crate) fn enter(&mut self) -> bool {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.fatal(
                Rule::JsonDepth,
                self.pos,
                format!("at most {MAX_DEPTH} levels of nesting"),
                "a deeper one".into(),
            );
            return false;
        }
        self.pos += 1;
        true
    }

    /// After an entry of an array or object: true when another one follows,
    /// false when `close` was consumed (or the document has ended).
    #[inline]
    pub(crate) fn another(&mut self, close: u8) -> bool {
        match self.peek() {
            b',' => {
                let comma = self.pos;
                self.pos += 1;
                if self.peek() == close {
                    self.fatal(
                        Rule::JsonSyntax,
                        comma,
                        format!("`{}`", char::from(close)),
                        "a trailing comma".into(),
                    );
                    return false;
                }
                true
            }
            byte if byte == close => {
                self.pos += 1;
                self.depth -= 1;
                false
            }
            _ => {
                self.unexpected(&format!("`,` or `{}`", char::from(close)));
                false
            }
        }
    }

    /// After `{` or `[`: whether it closes at once; consumes the close.
    #[inline]
    pub(crate) fn closes(&mut self, close: u8) -> bool {
        if self.peek() == close {
            self.pos += 1;
            self.depth -= 1;
            return true;
        }
        self.dead
    }

    /// A property name and its colon. `None` ends the document.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != b'"' {
            self.unexpected("a property name in double quotes");
            return None;
        }
        let key = self.string()?;
        if self.peek() != b':' {
            self.unexpected("`:` after the property name");
            return None;
        }
        self.pos += 1;
        Some(key)
    }

    /// A string whose opening quote was peeked. `None` ends the document.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.pos + 1;
        let end = string_stop(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.pos = end + 1;
            return Some(Cow::Borrowed(
                self.source.get(start..end).unwrap_or_default(),
            ));
        }
        self.escaped_string(start, end)
    }

    /// The rest of a string from its first backslash on.
    fn escaped_string(&mut self, start: usize, mut stop: usize) -> Option<Cow<'a, str>> {
        let mut text = String::with_capacity((stop - start) * 2 + 16);
        let mut from = start;
        loop {
            text.push_str(self.source.get(from..stop).unwrap_or_default());
            match self.bytes.get(stop) {
                Some(b'"') => {
                    self.pos = stop + 1;
                    return Some(Cow::Owned(text));
                }
                Some(b'\\') => {
                    from = self.escape(stop, &mut text)?;
                    stop = string_stop(self.bytes, from);
                }
                Some(&control) => {
                    self.fatal(
                        Rule::JsonSyntax,
                        stop,
                        "control characters in strings as escapes".into(),
                        format!("the byte 0x{control:02X}"),
                    );
                    return None;
                }
                None => {
                    self.pos = stop;
                    self.unexpected("`\"` at the end of the string");
                    return None;
                }
            }
        }
    }

    /// One escape at `at`; returns where the text goes on.
    fn escape(&mut self, at: usize, text: &mut String) -> Option<usize> {
        let plain = match self.bytes.get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(at, text),
            _ => {
                self.fatal(
                    Rule::JsonSyntax,
                    at,
                    "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u".into(),
                    "another one".into(),
                );
                return None;
            }
        };
        text.push(plain);
        Some(at + 2)
    }

    fn unicode_escape(&mut self, at: usize, text: &mut String) -> Option<usize> {
        let Some(unit) = hex4(self.bytes, at + 2) else {
            self.fatal(
                Rule::JsonSyntax,
                at,
                "four hexadecimal digits after \\u".into(),
                "something else".into(),
            );
            return None;
        };
        if let Some(char) = char::from_u32(unit) {
            text.push(char);
            return Some(at + 6);
        }
        if unit < 0xDC00
            && self.bytes.get(at + 6..at + 8) == Some(b"\\u")
            && let Some(low @ 0xDC00..=0xDFFF) = hex4(self.bytes, at + 8)
            && let Some(char) = char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        {
            text.push(char);
            return Some(at + 12);
        }
        self.report(
            Rule::JsonSurrogate,
            at,
            "a pair of surrogate escapes".into(),
            format!("\\u{unit:04X} alone"),
        );
        text.push(char::REPLACEMENT_CHARACTER);
        Some(at + 6)
    }

    /// The source text of a number. `None` ends the document.
    pub(crate) fn number(&mut self) -> Option<&'a str> {
        let start = self.pos;
        let digits = |mut at: usize| {
            while matches!(self.bytes.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(self.bytes.get(start) == Some(&b'-'));
        let mut end = digits(whole);
        let leading_zero = end > whole + 1 && self.bytes.get(whole) == Some(&b'0');
        let mut complete = end > whole && !leading_zero;
        if self.bytes.get(end) == Some(&b'.') {
            let fraction = end + 1;
            end = digits(fraction);
            complete &= end > fraction;
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let sign = matches!(self.bytes.get(end + 1), Some(b'+' | b'-'));
            let exponent = end + 1 + usize::from(sign);
            end = digits(exponent);
            complete &= end > exponent;
        }
        if !complete {
            let found = if leading_zero {
                "a leading zero"
            } else if self.bytes.get(whole..whole + 8) == Some(b"Infinity") {
                "-Infinity"
            } else {
                "an incomplete one"
            };
            self.fatal(
                Rule::JsonSyntax,
                start,
                "a JSON number".into(),
                found.into(),
            );
            return None;
        }
        self.pos = end;
        self.source.get(start..end)
    }

    /// `true`, `false` or `null`. `None` ends the document.
    pub(crate) fn literal(&mut self) -> Option<&'static str> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        for literal in ["true", "false", "null"] {
            if rest.starts_with(literal.as_bytes()) {
                self.pos += literal.len();
                return Some(literal);
            }
        }
        self.unexpected("a JSON value");
        None
    }

    /// Skips one value of any kind, checking only that it is JSON.
    pub(crate) fn skip_value(&mut self) {
        let mut closes: Vec<u8> = Vec::new();
        // The names of the open objects, to see duplicates there too.
        let mut names: Vec<Vec<Cow<'a, str>>> = Vec::new();
        while !self.dead {
            let opened = match self.peek() {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                b'"' => {
                    self.string();
                    None
                }
                b'-' | b'0'..=b'9' => {
                    self.number();
                    None
                }
                _ => {
                    self.literal();
                    None
                }
            };
            if let Some(close) = opened {
                if !self.enter() {
                    return;
                }
                if !self.closes(close) {
                    closes.push(close);
                    if close == b'}' {
                        names.push(Vec::new());
                        self.skipped_key(&mut names);
                    }
                    continue;
                }
            }
            loop {
                let Some(&close) = closes.last() else { return };
                if self.another(close) {
                    if close == b'}' {
                        self.skipped_key(&mut names);
                    }
                    break;
                }
                if self.dead {
                    return;
                }
                closes.pop();
                if close == b'}' {
                    names.pop();
                }
            }
        }
    }

    fn skipped_key(&mut self, names: &mut [Vec<Cow<'a, str>>]) {
        let at = self.pos;
        let (Some(key), Some(known)) = (self.key(), names.last_mut()) else {
            return;
        };
        // Quadratic in the number of names, hence the bound: what is skipped
        // has an error already.
        if known.contains(&key) {
            self.duplicate_key(&key, at);
        } else if known.len() < 64 {
            known.push(key);
        }
    }

    /// Ends the document at something that the grammar does not allow here.
    pub(crate) fn unexpected(&mut self, expected: &str) {
        if self.dead {
            return;
        }
        let at = self.pos;
        let rest = self.source.get(at..).unwrap_or_default();
        let found = match rest.chars().next() {
            None => "the end of the document".to_owned(),
            Some('/') => "a comment".to_owned(),
            Some(_) if rest.starts_with("NaN") => "NaN".to_owned(),
            Some(_) if rest.starts_with("Infinity") => "Infinity".to_owned(),
            Some('\u{feff}') => "a byte order mark".to_owned(),
            Some('\'') => "a single quote".to_owned(),
            Some(char) => format!("`{}`", char.escape_debug()),
        };
        self.fatal(Rule::JsonSyntax, at, expected.to_owned(), found);
    }

    /// Reports an issue that ends the document: nothing more is read.
    pub(crate) fn fatal(&mut self, rule: Rule, at: usize, expected: String, found: String) {
        if self.dead {
            return;
        }
        match self.bad_utf8 {
            // The text ends where the UTF-8 does.
            Some(bad) if at >= bad => self.push_issue(
                Rule::JsonEncoding,
                Severity::Fatal,
                bad,
                "UTF-8".into(),
                "a byte that is not".into(),
            ),
            _ => self.push_issue(rule, Severity::Fatal, at, expected, found),
        }
        self.dead = true;
        self.pos = self.bytes.len();
    }
}

/// The index of the first quote, backslash or control character from `from` on,
/// or the length.
#[inline]
fn string_stop(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let mut at = from;
    // Eight bytes at a time: a byte of `hit` has its high bit set where the
    // text has a stop (exact up to the first one, which is all that is used).
    while let Some(chunk) = bytes
        .get(at..at + 8)
        .and_then(|chunk| chunk.try_into().ok())
    {
        let word = u64::from_le_bytes(chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let hit = (word.wrapping_sub(ONES * 0x20) & !word
            | quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash)
            & HIGH;
        if hit != 0 {
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| !is_stop(byte)) {
        at += 1;
    }
    at
}

fn is_stop(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit * 16 + char::from(digit).to_digit(16)?)
    })
}
