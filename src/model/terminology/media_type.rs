//! Media types ([BCP 13](https://www.rfc-editor.org/info/bcp13), and
//! [RFC 2045](https://www.rfc-editor.org/rfc/rfc2045), section 5.1, for parameters).

/// Formats of FHIR that stand without a type
/// ([mime-type](https://hl7.org/fhir/R4/http.html#mime-type)).
const SHORT: [&str; 4] = ["xml", "json", "ttl", "html"];

/// Whether a text is a media type, with or without parameters. The short names
/// of FHIR's own formats count, because the specification uses them where it
/// asks for media types.
pub fn is_media_type(text: &str) -> bool {
    let (essence, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let names = essence.trim_end().split_once('/');
    names.is_some_and(|(main, sub)| is_name(main) && is_name(sub)) && parameters(rest)
        || SHORT.contains(&text)
}

/// A name that may be registered (RFC 6838, section 4.2).
fn is_name(name: &str) -> bool {
    let start = name.bytes().next();
    start.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= 127
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

/// `; name=value` any number of times. A value that is no token should be in
/// quotes, but examples of the specification have `variant=DICOM WADO-RS`
/// without them: anything printable is taken.
fn parameters(mut text: &str) -> bool {
    while let Some(rest) = text.trim_start().strip_prefix(';') {
        let Some((name, value)) = rest.split_once('=') else {
            return false;
        };
        let Some(length) = value_length(value) else {
            return false;
        };
        if name.trim().is_empty() || !name.trim().bytes().all(is_token) {
            return false;
        }
        text = value.get(length..).unwrap_or_default();
    }
    text.trim_start().is_empty()
}

fn value_length(value: &str) -> Option<usize> {
    let mut bytes = value.bytes().enumerate();
    if value.starts_with('"') {
        bytes.next();
        while let Some((index, byte)) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => return Some(index + 1),
                _ => {}
            }
        }
        return None;
    }
    let length = bytes
        .take_while(|(_, byte)| matches!(byte, b' '..=b'~') && *byte != b';')
        .count();
    (length > 0).then_some(length)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_media_types() {
        for text in [
            "text/plain",
            "application/fhir+json",
            "text/plain; charset=UTF-8",
            "application/hl7-v3+xml;a=b;c=\"d;\\\"e\"",
            "image/svg+xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/dicom; variant=DICOM WADO-RS; a=b",
            "json",
        ] {
            assert!(is_media_type(text), "{text}");
        }
    }

    #[test]
    fn refuses_others() {
        for text in [
            "",
            "pdf",
            "/",
            "text/",
            "/plain",
            "text plain",
            "text/plain/x",
            "text/pl ain",
            "text/plain; charset",
            "text/plain; =x",
            "text/plain; a=",
            "text/plain; a=\"x",
            "text/*",
            "application/fhir json",
        ] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
