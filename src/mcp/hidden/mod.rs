//! Characters that hide text, in what a FHIR server says.
//!
//! A record is written by many hands, and a model reads what people do not see:
//! tag characters spell whole sentences, bidirectional controls show them in
//! another order, zero-width characters break the words that a filter looks
//! for. Such characters are taken out of every string that is shown, and the
//! answer says how many and where. In raw FHIR JSON they stay; the answer then
//! says that they are there, and its text spells them as `\u` escapes, which
//! is the same JSON.
//!
//! What counts as hidden follows from the properties of Unicode, not from a
//! list of known tricks, see [`character`]. Scripts that need invisible
//! characters to be read right keep them where their orthography has them.

mod character;
mod markup;

use std::{borrow::Cow, fmt::Write as _};

pub(crate) use character::Kind;

use super::json::Json;

/// Name of the member of an answer that tells of them.
pub(crate) const REPORT: &str = "hiddenCharacters";

/// Places that a report names at most.
const MAX_PLACES: usize = 5;

/// Characters of a place at most.
const PLACE_LENGTH: usize = 80;

/// What was found: how many characters, of which kinds, where.
#[derive(Debug, Default)]
pub(crate) struct Found {
    removed: usize,
    kept: usize,
    kinds: Vec<Kind>,
    /// The first strings that hold some, by path.
    places: Vec<String>,
    /// Strings that hold some.
    strings: usize,
}

impl Found {
    /// Whether there was nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.removed + self.kept == 0
    }

    /// Takes them out of all strings and names of members of a value that
    /// stands at this path.
    pub(crate) fn strip(&mut self, value: &mut Json, path: &str) {
        self.below(path, |found| found.walk(value, path == "div", true));
    }

    /// Takes them out of a text that stands at this path.
    pub(crate) fn strip_text(&mut self, text: &mut String, path: &str) {
        self.below(path, |found| found.text(text, false, true));
    }

    /// Looks for them in a value that stands at this path, and leaves them.
    pub(crate) fn note(&mut self, value: &mut Json, path: &str) {
        self.below(path, |found| found.walk(value, path == "div", false));
    }

    fn walk(&mut self, value: &mut Json, is_markup: bool, remove: bool) {
        match value {
            Json::String(text) => self.text(text, is_markup, remove),
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let known = self.places.len();
                    self.walk(item, false, remove);
                    if self.places.len() > known {
                        self.prefix(known, &format!("[{index}]"));
                    }
                }
            }
            Json::Object(members) => {
                for (name, value) in members {
                    self.text(name, false, remove);
                    self.below(name, |found| found.walk(value, name == "div", remove));
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// Puts the name before the places that are found meanwhile.
    fn below(&mut self, name: &str, search: impl FnOnce(&mut Self)) {
        let known = self.places.len();
        search(self);
        if self.places.len() > known {
            let name = character::clean(name, &mut Removed::default());
            self.prefix(known, &name);
        }
    }

    fn prefix(&mut self, known: usize, step: &str) {
        if step.is_empty() {
            return;
        }
        for place in self.places.iter_mut().skip(known) {
            let dot = match place.is_empty() || place.starts_with('[') {
                true => "",
                false => ".",
            };
            *place = format!("{step}{dot}{place}");
        }
    }

    fn text(&mut self, text: &mut String, is_markup: bool, remove: bool) {
        if !is_markup && is_plain(text) {
            return;
        }
        let mut removed = Removed::default();
        let clean = match is_markup {
            true => markup::clean(text, &mut removed),
            false => character::clean(text, &mut removed),
        };
        if removed.count == 0 {
            return;
        }
        let clean = clean.into_owned();
        self.strings += 1;
        if self.places.len() < MAX_PLACES {
            self.places.push(String::new());
        }
        for kind in removed.kinds {
            if !self.kinds.contains(&kind) {
                self.kinds.push(kind);
            }
        }
        if remove {
            self.removed += removed.count;
            *text = clean;
        } else {
            self.kept += removed.count;
        }
    }

    /// `{removed, kept, kinds, at, more}`.
    pub(crate) fn report(&self) -> Json {
        let number = |number: usize| Json::Number(number.to_string());
        let mut report = Json::Object(Vec::new());
        if self.removed > 0 {
            report.set("removed", number(self.removed));
        }
        if self.kept > 0 {
            report.set("kept", number(self.kept));
        }
        let kinds = self.kinds.iter().map(|kind| Json::text(kind.as_str()));
        report.set("kinds", Json::Array(kinds.collect()));
        let places = self.places.iter().map(|place| Json::text(shown(place)));
        report.set("at", Json::Array(places.collect()));
        if self.strings > self.places.len() {
            report.set("more", number(self.strings - self.places.len()));
        }
        report
    }

    /// The report in one sentence.
    pub(crate) fn sentence(&self) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let places: Vec<String> = self.places.iter().map(|place| shown(place)).collect();
        let mut sentence = format!(
            "{} hidden characters were removed ({}) at {}",
            self.removed,
            kinds.join(", "),
            places.join(", ")
        );
        if self.strings > self.places.len() {
            let more = self.strings - self.places.len();
            let _ = write!(sentence, " and {more} more");
        }
        sentence
    }
}

/// JSON text with every hidden character as an escape: the same document.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    let mut removed = Removed::default();
    character::replace(json, &mut removed, |char, out| {
        let mut units = [0; 2];
        for unit in char.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// What came out of one string.
#[derive(Debug, Default)]
struct Removed {
    count: usize,
    kinds: Vec<Kind>,
}

impl Removed {
    fn add(&mut self, kind: Kind) {
        self.count += 1;
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }
}

/// A place, cut where it is longer than any of FHIR.
fn shown(place: &str) -> String {
    place.chars().take(PLACE_LENGTH).collect()
}

/// Whether a text holds nothing but visible ASCII, blanks and line breaks.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
}
