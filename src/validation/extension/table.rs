//! The extensions of the specification, looked up in the generated text;
//! `codegen::extensions` says what its lines hold.

use std::sync::OnceLock;

/// A paragraph for each extension, sorted by URL.
const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/fhir/extensions.txt"));

/// The definition of an extension, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    /// URL, or the name of the part.
    pub(super) url: &'static str,
    flags: &'static str,
    types: &'static str,
    contexts: &'static str,
    invariant: &'static str,
    /// The lines of the parts.
    parts: &'static str,
    /// How many tabs the lines of its parts start with.
    level: usize,
    /// Where it stands in the text: one number for each extension.
    pub(super) place: usize,
}

/// Where the paragraphs start. Found once, when the first extension is read:
/// one pass over the text, which is short.
fn starts() -> &'static [usize] {
    static STARTS: OnceLock<Vec<usize>> = OnceLock::new();
    STARTS.get_or_init(|| {
        let mut starts = Vec::new();
        let mut offset = 0;
        for line in TEXT.split_inclusive('\n') {
            if !line.starts_with('\t') {
                starts.push(offset);
            }
            offset += line.len();
        }
        starts
    })
}

/// The extension with this URL.
pub(super) fn find(url: &str) -> Option<Definition> {
    let starts = starts();
    let known = |start: usize| TEXT.as_bytes().get(start..).unwrap_or_default();
    let found = starts.binary_search_by(|&start| {
        let text = known(start);
        // A tab ends the URL, and comes before every character of URLs.
        let order = text.get(..url.len()).unwrap_or(text).cmp(url.as_bytes());
        order.then_with(|| text.get(url.len()).cmp(&Some(&b'\t')))
    });
    nth(found.ok()?)
}

/// All extensions.
pub(super) fn all() -> impl Iterator<Item = Definition> {
    (0..starts().len()).filter_map(nth)
}

/// The extension at a place in the order of URLs.
fn nth(index: usize) -> Option<Definition> {
    let starts = starts();
    let start = *starts.get(index)?;
    let end = starts.get(index + 1).copied().unwrap_or(TEXT.len());
    definition(start, TEXT.get(start..end)?)
}

fn definition(place: usize, paragraph: &'static str) -> Option<Definition> {
    let (head, parts) = paragraph.split_once('\n')?;
    let mut fields = head.split('\t');
    Some(Definition {
        url: fields.next()?,
        flags: fields.next()?,
        types: fields.next()?,
        contexts: fields.next()?,
        invariant: fields.next()?,
        parts,
        level: 1,
        place,
    })
}

impl Definition {
    /// Whether it must be there: of a part.
    pub(super) fn is_required(&self) -> bool {
        self.flags.contains('!')
    }

    /// Whether it may repeat.
    pub(super) fn is_many(&self) -> bool {
        self.flags.contains('*')
    }

    /// Whether it is a modifier extension.
    pub(super) fn is_modifier(&self) -> bool {
        self.flags.contains('m')
    }

    /// Whether a value must be there.
    pub(super) fn needs_value(&self) -> bool {
        self.flags.contains('v')
    }

    /// The types that the value may have, each with the targets of a Reference;
    /// none when there must be no value.
    pub(super) fn types(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        self.types.split_terminator(' ').map(|text| {
            let (code, targets) = text.split_once('(').unwrap_or((text, ""));
            (code, targets.trim_end_matches(')'))
        })
    }

    /// The same for a message.
    pub(super) fn type_names(&self) -> String {
        let names: Vec<&str> = self.types().map(|(code, _)| code).collect();
        names.join(" | ")
    }

    /// The paths and types that it may stand in.
    pub(super) fn contexts(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.contexts.split_terminator(' ')
    }

    /// What must hold of the element that has it, in FHIRPath.
    pub(super) fn invariant(&self) -> Option<&'static str> {
        (!self.invariant.is_empty()).then_some(self.invariant)
    }

    /// Whether it is made of parts.
    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Its parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = Definition> + use<> {
        let (text, level, place) = (self.parts, self.level, self.place);
        let mut offset = 0;
        text.split_inclusive('\n').filter_map(move |line| {
            offset += line.len();
            let name = line.get(level..).filter(|name| !name.starts_with('\t'))?;
            let mut fields = name.trim_end_matches('\n').split('\t');
            let rest = text.get(offset..).unwrap_or_default();
            let inner: usize = rest
                .split_inclusive('\n')
                .take_while(|line| line.bytes().take_while(|byte| *byte == b'\t').count() > level)
                .map(str::len)
                .sum();
            Some(Definition {
                url: fields.next()?,
                flags: fields.next()?,
                types: fields.next()?,
                contexts: "",
                invariant: "",
                parts: rest.get(..inner).unwrap_or_default(),
                level: level + 1,
                place,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_extension() {
        let urls: Vec<&str> = TEXT
            .lines()
            .filter(|line| !line.starts_with('\t'))
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(urls.len(), 393);
        for url in urls {
            assert_eq!(find(url).map(|found| found.url), Some(url));
        }
        for url in [
            "",
            "http://hl7.org/fhir/StructureDefinition/",
            "x",
            "http://a",
        ] {
            assert!(find(url).is_none(), "{url}");
        }
    }

    #[test]
    fn reads_parts_and_their_parts() {
        let history = find("http://hl7.org/fhir/StructureDefinition/codesystem-history")
            .expect("an extension");
        let parts: Vec<_> = history.parts().map(|part| part.url).collect();
        assert_eq!(parts, ["name", "revision"]);
        let revision = history.parts().nth(1).expect("a part");
        let parts: Vec<_> = revision.parts().map(|part| part.url).collect();
        assert_eq!(parts, ["date", "id", "author", "notes"]);
        assert!(revision.is_many() && revision.types().next().is_none());
        let place = find("http://hl7.org/fhir/StructureDefinition/patient-birthPlace")
            .expect("an extension");
        assert!(place.needs_value() && !place.is_many() && !place.is_modifier());
        assert_eq!(place.type_names(), "Address");
        assert_eq!(place.contexts().collect::<Vec<_>>(), ["Patient"]);
    }
}
