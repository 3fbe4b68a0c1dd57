//! The patterns of the constraints, matched by hand. White space is that of XML
//! Schema, which is ASCII.

/// `[A-Z]([A-Za-z0-9_]){0,254}`, the whole text: a part of it would match any
/// text that has a capital letter.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|char: char| char.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `^[a-zA-Z0-9\/\-_\[\]\@]+$`
pub(super) fn is_slice_name(text: &str) -> bool {
    let accept = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_[]@".contains(&byte);
    !text.is_empty() && text.bytes().all(accept)
}

/// `^[a-zA-Z0-9]+$`
pub(super) fn is_type_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `^[a-zA-Z0-9\.]+$`
pub(super) fn is_dotted_type_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// `^http:\/\/hl7\.org\/fhirpath\/System\.[A-Z][A-Za-z]+$`
pub(super) fn is_system_type(text: &str) -> bool {
    let name = text
        .strip_prefix("http://hl7.org/fhirpath/System.")
        .unwrap_or_default();
    name.len() > 1
        && name.starts_with(|char: char| char.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The pattern of `eld-19`, the whole text: steps of up to 64 characters, all
/// but the first with `[x]` and a slice name if need be.
pub(super) fn is_element_path(text: &str) -> bool {
    is_usual_path(text) || is_unusual_path(text)
}

/// What nearly all are: letters and digits, short steps, and `[x]` at the end.
fn is_usual_path(text: &str) -> bool {
    let (mut length, mut steps) = (0, 1);
    let bare = text.strip_suffix("[x]");
    for byte in bare.unwrap_or(text).bytes() {
        match byte {
            b'.' if length > 0 => {
                length = 0;
                steps += 1;
            }
            _ if byte.is_ascii_alphanumeric() && length < 64 => length += 1,
            _ => return false,
        }
    }
    length > 0 && (bare.is_none() || steps > 1)
}

fn is_unusual_path(text: &str) -> bool {
    let step = |step: &str| {
        let excluded = |char: char| {
            char.is_ascii()
                && (matches!(char, ' ' | '\t' | '\n' | '\r')
                    || ".,:;'\"/|?!@#$%&*()[]{}".contains(char))
        };
        (1..=64).contains(&step.chars().count()) && !step.contains(excluded)
    };
    let space = |char: char| matches!(char, ' ' | '\t' | '\n' | '\r');
    let mut steps = text.split('.');
    steps.next().is_some_and(step)
        && steps.all(|rest| {
            let (rest, slice) = match rest.split_once(':') {
                Some((rest, slice)) => (rest, Some(slice)),
                None => (rest, None),
            };
            step(rest.strip_suffix("[x]").unwrap_or(rest))
                && slice.is_none_or(|slice| !slice.is_empty() && !slice.contains(space))
        })
}

/// The pattern of `eld-20`, the whole text: names of letters and digits, all
/// but the first in lower case and with `[x]` if need be.
pub(super) fn is_plain_element_path(text: &str) -> bool {
    let name = |name: &str, first: fn(&u8) -> bool| {
        name.as_bytes().first().is_some_and(first)
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let mut steps = text.split('.');
    steps
        .next()
        .is_some_and(|step| name(step, u8::is_ascii_alphabetic))
        && steps.all(|step| {
            name(
                step.strip_suffix("[x]").unwrap_or(step),
                u8::is_ascii_lowercase,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        type Case<'a> = (fn(&str) -> bool, &'a [&'a str], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (is_name, &["A", "Ab_9"], &["", "a", "A b", "A-b", "Ä", "Aé"]),
            (is_slice_name, &["a/B-c_[x]@9"], &["", "a b", "a:b", "ä"]),
            (is_type_name, &["Patient1"], &["", "a.b"]),
            (is_dotted_type_name, &["Patient.name"], &["", "a b"]),
            (
                is_system_type,
                &["http://hl7.org/fhirpath/System.String"],
                &[
                    "http://hl7.org/fhirpath/System.",
                    "http://hl7.org/fhirpath/System.string",
                    "String",
                ],
            ),
            (
                is_element_path,
                &[
                    "Patient",
                    "Patient.value[x]",
                    "Patient.name:slice/1",
                    "a-b.c_d",
                    "a\u{a0}b",
                ],
                &[
                    "",
                    "Patient.",
                    "Patient..a",
                    "Patient[x]",
                    "a b",
                    "a.b:",
                    "a:b",
                    ".a",
                ],
            ),
            (
                is_plain_element_path,
                &["Patient", "patient.value[x]", "A.b9"],
                &["", "Patient.Name", "a-b", "a.b:c", "9"],
            ),
        ];
        for (matches, valid, invalid) in cases {
            for text in *valid {
                assert!(matches(text), "{text}");
            }
            for text in *invalid {
                assert!(!matches(text), "{text}");
            }
        }
        assert!(!is_name(&format!("A{}", "a".repeat(255))));
        assert!(!is_element_path(&"a".repeat(65)));
    }
}
