//! The primitives that are strings: string, uri, url, canonical, oid, uuid, id,
//! code, markdown, base64Binary and xhtml.
//!
//! White space in their regular expressions (`\s`) is that of XML Schema, from
//! which FHIR takes the dialect: space, tab, line feed and carriage return. A
//! no-break space is an ordinary character, so the code of
//! `CodeSystem-v2-0550.json` that ends in one is valid.

use std::{borrow::Cow, fmt, ops, str::FromStr};

use super::{Defect, JsonType, PrimitiveType};
use crate::model::xhtml;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $fhir:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Defect;

            fn from_str(text: &str) -> Result<Self, Defect> {
                Self::from_text(Cow::Borrowed(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl PrimitiveType for $name {
            const NAME: &'static str = $fhir;
            const JSON: JsonType = JsonType::String;

            fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
                let check: fn(&str) -> Result<(), Defect> = $check;
                check(&text)?;
                Ok(Self(text.into_owned()))
            }

            fn text(&self) -> Cow<'_, str> {
                Cow::Borrowed(&self.0)
            }
        }
    )*};
}

texts! {
    /// Bytes in base64.
    Base64Binary, "base64Binary", |text| check(base64(text.as_bytes()), "base64 with complete groups of four");
    /// A URI of a definition, with or without `|version`.
    Canonical, "canonical", |text| check(no_space(text), "a URI without white space");
    /// A code of an open or unknown list.
    Code, "code", |text| check(code(text), "a code without leading, trailing or double white space");
    /// A logical id.
    Id, "id", |text| check(id(text), "1 to 64 of the characters A-Z a-z 0-9 - .");
    /// A text in Markdown.
    Markdown, "markdown", |text| check(string(text), "no control characters but tab and line ends");
    /// An OID as a URI.
    Oid, "oid", |text| check(oid(text), "an OID as urn:oid:1.2.3");
    /// A URI.
    Uri, "uri", |text| check(no_space(text), "a URI without white space");
    /// A URL.
    Url, "url", |text| check(no_space(text), "a URL without white space");
    /// A UUID as a URI.
    Uuid, "uuid", |text| check(uuid(text), "a UUID as urn:uuid: and lower-case hexadecimal 8-4-4-4-12");
    /// A narrative in XHTML.
    Xhtml, "xhtml", |text| xhtml::check(text).map_err(|defect| Defect {
        rule: defect.rule,
        expected: Cow::Borrowed(defect.expected),
        found: Some(defect.found),
    });
}

impl PrimitiveType for String {
    const NAME: &'static str = "string";
    const JSON: JsonType = JsonType::String;

    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        check(string(&text), "no control characters but tab and line ends")?;
        Ok(text.into_owned())
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

fn check(valid: bool, expected: &'static str) -> Result<(), Defect> {
    if valid {
        Ok(())
    } else {
        Err(Defect::format(expected))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn no_space(text: &str) -> bool {
    // To the end, whatever is found: so that the compiler looks at many at once.
    !text
        .bytes()
        .fold(false, |found, byte| found | (byte <= b' '))
}

/// Control characters reach here only through escapes.
fn string(text: &str) -> bool {
    let control = |byte: u8| byte < b' ' && !is_space(byte);
    !text
        .bytes()
        .fold(false, |found, byte| found | control(byte))
}

fn code(text: &str) -> bool {
    let mut after_space = true;
    for byte in text.bytes() {
        let space = is_space(byte);
        if space && after_space || byte < b' ' && !space {
            return false;
        }
        after_space = space;
    }
    !after_space
}

fn id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else {
        return false;
    };
    let mut arcs = arcs.split('.');
    let arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    let first = matches!(arcs.next(), Some("0" | "1" | "2"));
    let mut more = arcs.peekable();
    first && more.peek().is_some() && more.all(arc)
}

fn uuid(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    digits.len() == 36
        && digits.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Groups of four characters of the alphabet, padded at the very end only;
/// white space may stand anywhere between them.
fn base64(bytes: &[u8]) -> bool {
    let (mut count, mut padding) = (0usize, 0usize);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => count += 1,
            b'=' => padding += 1,
            _ if is_space(byte) => {}
            _ => return false,
        }
    }
    padding <= 2 && count > 0 && (count + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, check, valid texts, invalid texts.
    type Row = (
        &'static str,
        fn(&str) -> bool,
        &'static [&'static str],
        &'static [&'static str],
    );

    #[test]
    fn formats() {
        let table: &[Row] = &[
            (
                "id",
                id,
                &["a", "A-1.b", "0"],
                &["", "a_b", "a b", "ä", "a/b"],
            ),
            (
                "code",
                code,
                &["a", "a b", "a\tb", "x\u{a0}"],
                &[" a", "a ", "a  b", ""],
            ),
            (
                "uri",
                no_space,
                &["urn:x", "http://a/b?c|d", "ä"],
                &["a b", "a\n"],
            ),
            (
                "oid",
                oid,
                &["urn:oid:1.2.3", "urn:oid:2.16.0.1"],
                &[
                    "1.2.3",
                    "urn:oid:3.1",
                    "urn:oid:1",
                    "urn:oid:1.02",
                    "urn:oid:1.",
                ],
            ),
            (
                "uuid",
                uuid,
                &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
                &[
                    "c757873d-ec9a-4326-a141-556f43239520",
                    "urn:uuid:C757873D-ec9a-4326-a141-556f43239520",
                    "urn:uuid:c757873dec9a4326a141556f43239520xxxx",
                ],
            ),
            (
                "base64",
                |text| base64(text.as_bytes()),
                &["QUJD", "QUI=", "QQ==", "QU JD\nQUJD"],
                &["QUJ", "Q===", "QU=D", "QUJD!", "===="],
            ),
            (
                "string",
                string,
                &["a\tb\r\n", "\u{a0}"],
                &["a\u{0}b", "\u{1f}"],
            ),
        ];
        for (name, check, valid, invalid) in table {
            for text in *valid {
                assert!(check(text), "{name} {text:?}");
            }
            for text in *invalid {
                assert!(!check(text), "{name} {text:?}");
            }
        }
    }
}
