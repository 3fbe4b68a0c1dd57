//! What is noted about each reference until the resource or the Bundle that it
//! points into is complete.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::form::Form;
use crate::model::reader::At;

/// A reference that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// Offset of the Reference.
    pub(crate) offset: usize,
    /// Hash of its text: of `Type/id` when it is relative, else of the whole;
    /// without a version.
    pub(crate) hash: u64,
    /// Hash of the version that it asks for, if it does.
    pub(crate) version: Option<u64>,
    /// How it points.
    pub(crate) way: Way,
    /// Index of the entry of the innermost Bundle that it is in.
    pub(crate) entry: usize,
    /// The types that it may point to; empty means any.
    pub(crate) targets: &'static [&'static str],
}

impl Note {
    /// The note on a reference with this text; `None` where it cannot lead to
    /// the entry of a Bundle.
    #[inline]
    pub(crate) fn of(
        text: &str,
        offset: usize,
        entry: usize,
        targets: &'static [&'static str],
    ) -> Option<Self> {
        Self::of_form(Form::of(text), text, offset, entry, targets)
    }

    /// The same for a text whose form is known.
    #[inline]
    pub(crate) fn of_form(
        form: Form<'_>,
        text: &str,
        offset: usize,
        entry: usize,
        targets: &'static [&'static str],
    ) -> Option<Self> {
        let mut version = None;
        let (way, hashed) = match form {
            Form::Fragment(_) | Form::Malformed(_) => return None,
            Form::Rest(rest) => {
                version = rest.version.map(hash);
                match rest.base {
                    "" => (Way::Relative, rest.local),
                    _ => (Way::Rest, rest.unversioned),
                }
            }
            Form::Conditional(_) => (Way::Conditional, text),
            Form::Absolute if text.starts_with("urn:") => (Way::Urn, text),
            Form::Absolute => (Way::Absolute, text),
        };
        Some(Self {
            offset,
            hash: hash(hashed),
            version,
            way,
            entry,
            targets,
        })
    }
}

/// How a reference points, as far as it matters in a Bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `Type/id`.
    Relative,
    /// An absolute URL whose end is `Type/id`.
    Rest,
    /// A URN: it has no meaning outside of the Bundle.
    Urn,
    /// Any other absolute URI.
    Absolute,
    /// `Type?query`.
    Conditional,
}

/// A reference to a contained resource, or to its container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    /// Offset of the Reference.
    pub(crate) offset: usize,
    /// Hash of its text, `#id`.
    pub(crate) hash: u64,
    /// The types that it may point to; empty means any.
    pub(crate) targets: &'static [&'static str],
}

/// The notes of a document.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// References into Bundles, of the innermost open Bundle last.
    pub(crate) links: Vec<Note>,
    /// References to contained resources.
    pub(crate) fragments: Vec<Fragment>,
    /// Offsets of the entries of open Bundles.
    pub(crate) entries: Vec<usize>,
}

impl Notes {
    /// Takes the notes on the references inside a Bundle that closes.
    pub(crate) fn take_links(&mut self, at: &At<'_, '_>) -> Vec<Note> {
        let first = self.links.partition_point(|note| note.offset < at.offset());
        self.links.split_off(first)
    }

    /// Takes the offsets of the entries of a Bundle that closes.
    pub(crate) fn take_entries(&mut self, at: &At<'_, '_>) -> Vec<usize> {
        let first = self.entries.partition_point(|&offset| offset < at.offset());
        self.entries.split_off(first)
    }

    /// Takes the notes on the fragments inside a resource that closes.
    pub(crate) fn take_fragments(&mut self, at: &At<'_, '_>) -> Vec<Fragment> {
        let first = self
            .fragments
            .partition_point(|fragment| fragment.offset < at.offset());
        self.fragments.split_off(first)
    }
}

/// What makes references alike: all that is asked of them. Among the same the
/// order does not matter, which in a document is not that of the definition.
pub(crate) fn key(hash: u64, version: Option<u64>, targets: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (hash, version, targets).hash(&mut hasher);
    hasher.finish()
}

/// Hash of a text, eight bytes at a time: two texts that meet hide an issue, and
/// no more.
pub(crate) fn hash(text: &str) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let add = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^ (hash >> 32)
    };
    let (words, rest) = text.as_bytes().as_chunks();
    let hash = words.iter().fold(text.len() as u64, |hash, word| {
        add(hash, u64::from_le_bytes(*word))
    });
    let last = rest
        .iter()
        .fold(0, |last, byte| (last << 8) | u64::from(*byte));
    add(hash, last)
}

/// Offsets by hash, handed out one by one: where the references with a text are.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    by_hash: HashMap<u64, (usize, Vec<usize>)>,
}

impl Offsets {
    /// The offsets in the order of the document.
    pub(crate) fn new(notes: impl Iterator<Item = (usize, u64)>) -> Self {
        let mut offsets = Self::default();
        for (offset, hash) in notes {
            offsets.by_hash.entry(hash).or_default().1.push(offset);
        }
        offsets
    }

    /// The next one with this hash.
    pub(crate) fn next(&mut self, hash: u64) -> Option<usize> {
        let (next, offsets) = self.by_hash.get_mut(&hash)?;
        let offset = offsets.get(*next).copied();
        *next += 1;
        offset
    }
}
