//! Reading is validating: one pass over the JSON bytes builds the typed value
//! and collects every issue
//! ([JSON representation](https://hl7.org/fhir/R4/json.html)).
//!
//! The reader never panics and stops only at a JSON syntax error or the depth
//! limit. After such an end it is `dead`: every token function returns at once
//! and reports nothing, so that the code that builds values needs no error
//! path of its own.

mod lexer;
mod locate;
mod object;
mod observer;
mod report;

pub use lexer::MAX_DEPTH;
pub(crate) use object::Place;
pub use observer::{At, Observer};

use std::fmt;

use super::{
    Reading, Resource, Rule, Severity,
    definition::{ElementDef, Key, TypeDef},
    issue::Issue,
    object::Object,
};

/// How many issues of one document are kept.
const MAX_ISSUES: usize = 10_000;

/// How many bytes may be looked through for the places of issues, in a small
/// document; in a large one eight times its length, so that reading stays
/// linear.
const MIN_SEARCH: usize = 1 << 20;

/// A pull reader over one JSON document.
pub struct Reader<'a> {
    /// The document up to its first byte that is no UTF-8.
    source: &'a str,
    bytes: &'a [u8],
    pos: usize,
    depth: u32,
    dead: bool,
    bad_utf8: Option<usize>,
    path: Vec<Segment>,
    arrays: Vec<PrimitiveArray>,
    issues: Vec<Issue>,
    dropped: usize,
    /// How many errors were reported, dropped ones among them.
    errors: usize,
    observer: Option<&'a mut dyn Observer>,
    /// How many bytes may still be looked through for the places of issues.
    search: usize,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the document.
        f.debug_struct("Reader")
            .field("pos", &self.pos)
            .finish_non_exhaustive()
    }
}

/// One step of the path to where the reader is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The type that has the element; at the root the type of the document.
    parent: &'static TypeDef,
    /// `None` at the root.
    element: Option<&'static ElementDef>,
    /// Index into [`ElementDef::types`].
    variant: u16,
    index: Option<u32>,
}

/// An array of primitives, or of their `_` siblings, in an object that is still
/// open: the two are compared when it closes.
#[derive(Debug)]
struct PrimitiveArray {
    key: &'static Key,
    sibling: bool,
    offset: usize,
    len: usize,
    nulls: Vec<usize>,
}

/// Reads a document of any resource type, and shows its objects to an observer.
pub(crate) fn read_resource<'a>(
    bytes: &'a [u8],
    observer: Option<&'a mut dyn Observer>,
) -> Reading<Resource> {
    let mut reader = Reader::new(bytes);
    reader.observer = observer;
    let mut resource = None;
    if reader.starts_object() {
        reader.resource(&mut resource);
    }
    reader.finish(resource)
}

/// Reads a document of one type. A resource must say that it is of this type;
/// other types have no resourceType.
pub(crate) fn read_object<T: Object + Default>(bytes: &[u8]) -> Reading<T> {
    let mut reader = Reader::new(bytes);
    let mut value = None;
    if reader.starts_object() {
        let object = value.insert(T::default());
        reader.path.push(Segment::root(object.definition()));
        reader.object(object);
        reader.path.pop();
    }
    reader.finish(value)
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (source, bad_utf8) = match std::str::from_utf8(bytes) {
            Ok(source) => (source, None),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (
                    std::str::from_utf8(valid).unwrap_or_default(),
                    Some(error.valid_up_to()),
                )
            }
        };
        let mut reader = Self {
            bad_utf8,
            path: Vec::with_capacity(16),
            search: 8 * bytes.len() + MIN_SEARCH,
            ..Self::at(source, 0)
        };
        if source.starts_with('\u{feff}') {
            reader.push_issue(
                Rule::JsonEncoding,
                Severity::Error,
                0,
                "UTF-8 without a byte order mark".into(),
                "a byte order mark".into(),
            );
            reader.pos = '\u{feff}'.len_utf8();
        }
        reader
    }

    /// A reader at a place of a text, with nothing read yet.
    fn at(source: &'a str, pos: usize) -> Self {
        Self {
            source,
            bytes: source.as_bytes(),
            pos,
            depth: 0,
            dead: false,
            bad_utf8: None,
            path: Vec::new(),
            arrays: Vec::new(),
            issues: Vec::new(),
            dropped: 0,
            errors: 0,
            observer: None,
            search: 0,
        }
    }

    /// Whether the document is an object at all.
    fn starts_object(&mut self) -> bool {
        match self.peek() {
            b'{' => true,
            b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let at = self.pos;
                let found = self.describe(at);
                self.report(Rule::JsonType, at, "a JSON object".into(), found);
                self.skip_value();
                false
            }
            _ => {
                self.unexpected("a JSON object");
                false
            }
        }
    }

    /// The end of the document: nothing may follow but white space.
    fn finish<T>(mut self, value: Option<T>) -> Reading<T> {
        if !self.dead {
            let next = self.peek();
            if next != 0 || self.pos < self.bytes.len() || self.bad_utf8.is_some() {
                self.unexpected("the end of the document");
            }
        }
        let value = if self.dead { None } else { value };
        Reading {
            value,
            issues: self.into_issues(),
        }
    }
}
