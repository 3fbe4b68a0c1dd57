//! The forms of a literal reference
//! (<https://hl7.org/fhir/R4/references.html#literal>).

use crate::model::RESOURCE_TYPES;

/// What a `Reference.reference` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// `#id`, a contained resource; `#`, the resource that contains.
    Fragment(&'a str),
    /// `Patient/1`, also at the end of an absolute URL.
    Rest(Rest<'a>),
    /// `Patient?identifier=…`, with the type.
    Conditional(&'a str),
    /// Any other absolute URI: `urn:uuid:…`, a URL that is not RESTful.
    Absolute,
    /// None of them, and what would be.
    Malformed(&'static str),
}

/// A RESTful URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    /// What stands before the type, with its slash; empty when the URL is relative.
    pub(crate) base: &'a str,
    /// The resource type: a known one when the URL is absolute.
    pub(crate) kind: &'a str,
    /// The logical id.
    pub(crate) id: &'a str,
    /// `Patient/1`, without a version.
    pub(crate) local: &'a str,
    /// The whole without a version.
    pub(crate) unversioned: &'a str,
    /// The version: what stands behind `/_history/`.
    pub(crate) version: Option<&'a str>,
}

/// Whether R4 has a resource type of this name.
pub(crate) fn is_resource_type(name: &str) -> bool {
    RESOURCE_TYPES.binary_search(&name).is_ok()
}

/// Whether a text may be a logical id.
pub(crate) fn is_id(text: &str) -> bool {
    /// Which bytes ids are made of.
    const OF_ID: [bool; 256] = {
        let mut of_id = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let char = byte as u8;
            of_id[byte] = char.is_ascii_alphanumeric() || char == b'-' || char == b'.';
            byte += 1;
        }
        of_id
    };
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| OF_ID.get(usize::from(byte)) == Some(&true))
}

/// The scheme of an absolute URI.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|byte| !is_part(byte))?;
    let valid = bytes.get(end) == Some(&b':') && bytes.first()?.is_ascii_alphabetic();
    valid.then(|| text.get(..end))?
}

/// What is wrong with an absolute URI, if anything.
pub(crate) fn malformed_absolute(text: &str, scheme: &str) -> Option<&'static str> {
    // All of them, not up to the first: so the compiler takes many at once.
    if text.bytes().fold(false, |any, byte| any | (byte <= b' ')) {
        return Some("a URI without white space");
    }
    let rest = text.get(scheme.len() + 1..).unwrap_or_default();
    match scheme {
        "urn" => {
            if let Some(uuid) = rest.strip_prefix("uuid:") {
                (!is_uuid(uuid)).then_some("urn:uuid: and hexadecimal digits 8-4-4-4-12")
            } else if let Some(oid) = rest.strip_prefix("oid:") {
                (!is_oid(oid)).then_some("urn:oid: and numbers with dots between them")
            } else {
                None
            }
        }
        "http" | "https" => {
            let host = rest.strip_prefix("//").unwrap_or_default();
            matches!(host.bytes().next(), None | Some(b'/' | b'?' | b'#'))
                .then_some("a URL with // and the name of a host")
        }
        _ => None,
    }
}

/// Upper-case digits are let pass: a reader must take them (RFC 4122).
fn is_uuid(text: &str) -> bool {
    let Ok(bytes) = <&[u8; 36]>::try_from(text.as_bytes()) else {
        return false;
    };
    let hexadecimal = |byte: &&u8| byte.is_ascii_hexdigit();
    [8, 13, 18, 23]
        .iter()
        .all(|at| bytes.get(*at) == Some(&b'-'))
        && bytes.iter().filter(hexadecimal).count() == 32
}

fn is_oid(text: &str) -> bool {
    text.starts_with(['0', '1', '2'])
        && text.split('.').count() > 1
        && text.split('.').all(|arc| {
            !arc.is_empty()
                && arc.bytes().all(|byte| byte.is_ascii_digit())
                && (arc == "0" || !arc.starts_with('0'))
        })
}

impl<'a> Form<'a> {
    /// The form of a text.
    pub(crate) fn of(text: &'a str) -> Self {
        if let Some(id) = text.strip_prefix('#') {
            return match id.is_empty() || is_id(id) {
                true => Self::Fragment(id),
                false => Self::Malformed("# and the id of a contained resource"),
            };
        }
        if let Some(scheme) = scheme(text) {
            if let Some(expected) = malformed_absolute(text, scheme) {
                return Self::Malformed(expected);
            }
            if scheme != "urn"
                && let Some(rest) = Rest::of(text)
                && is_resource_type(rest.kind)
            {
                return Self::Rest(rest);
            }
            return Self::Absolute;
        }
        if let Some(rest) = Rest::of(text)
            && rest.base.is_empty()
            && !rest.kind.contains('?')
        {
            return Self::Rest(rest);
        }
        if let Some((kind, query)) = text.split_once('?') {
            return match is_resource_type(kind) && !query.is_empty() {
                true => Self::Conditional(kind),
                false => Self::Malformed("a resource type and a query, as Patient?identifier=…"),
            };
        }
        Self::Malformed("Type/id, an absolute URI, or # and the id of a contained resource")
    }
}

impl<'a> Rest<'a> {
    /// The parts of `…Type/id` or `…Type/id/_history/version`.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let (mut unversioned, mut last) = at_last_slash(text)?;
        let mut version = None;
        if let Some(before) = unversioned.strip_suffix("/_history") {
            if !is_id(last) {
                return None;
            }
            version = Some(last);
            (unversioned, last) = at_last_slash(before)?;
        }
        if !is_id(last) {
            return None;
        }
        let slash = unversioned.bytes().rposition(|byte| byte == b'/');
        let start = slash.map_or(0, |slash| slash + 1);
        let end = unversioned.len() + 1 + last.len();
        let kind = unversioned.get(start..)?;
        kind.starts_with(|first: char| first.is_ascii_uppercase())
            .then_some(Self {
                base: text.get(..start)?,
                kind,
                id: last,
                local: text.get(start..end)?,
                unversioned: text.get(..end)?,
                version,
            })
    }
}

/// What stands before and after the last slash. The parts are short: a search
/// byte by byte is the fastest.
fn at_last_slash(text: &str) -> Option<(&str, &str)> {
    let slash = text.bytes().rposition(|byte| byte == b'/')?;
    Some((text.get(..slash)?, text.get(slash + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let rest = |text| match Form::of(text) {
            Form::Rest(rest) => {
                assert_eq!(
                    rest.version,
                    text.split_once("/_history/").map(|(_, version)| version)
                );
                (rest.base, rest.kind, rest.id, rest.local, rest.unversioned)
            }
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            rest("Patient/1"),
            ("", "Patient", "1", "Patient/1", "Patient/1")
        );
        assert_eq!(
            rest("http://a/b/Patient/1/_history/2"),
            (
                "http://a/b/",
                "Patient",
                "1",
                "Patient/1",
                "http://a/b/Patient/1"
            )
        );
        assert_eq!(Form::of("#p"), Form::Fragment("p"));
        assert_eq!(Form::of("#"), Form::Fragment(""));
        for text in ["Patient?a=b", "Patient?a/1", "Patient?a=b/Patient/1"] {
            assert_eq!(Form::of(text), Form::Conditional("Patient"));
        }
        for text in [
            "http://a/b",
            "http://a/Foo/1",
            "http://a/Patient?x=1",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "urn:oid:1.2.3",
            "urn:x:y",
            "mailto:a@b",
        ] {
            assert_eq!(Form::of(text), Form::Absolute, "{text}");
        }
        for text in [
            "Patient",
            "Patient/",
            "Patient/1/2",
            "/Patient/1",
            "a/Patient/1",
            "Patient/a_b",
            "patient/1",
            "Patient/1/_history/",
            "#a b",
            "Foo?a=b",
            "Patient?",
            "urn:uuid:1",
            "urn:oid:3.1",
            "urn:oid:1",
            "http://",
            "http:/a/b",
        ] {
            assert!(matches!(Form::of(text), Form::Malformed(_)), "{text}");
        }
    }
}
