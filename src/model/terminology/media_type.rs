//! Media types ([BCP 13](https://www.rfc-editor.org/info/bcp13), and
//! [RFC 2045](https://www.rfc-editor.org/rfc/rfc2045), section 5.1, for parameters).

/// Formats of FHIR that stand without a type
/// ([mime-type](https://hl7.org/fhir/R4/http.html#mime-type)).
const SHORT: [&str; 4] = ["xml", "json", "ttl", "html"];

/// Whether a text is a media type, with or without parameters. The short names
/// of FHIR's own formats count, because the specification uses them where it
/// asks for media types.
pub fn is_media_type(text: &str) -> bool {
    let mut parts = text.split(';');
    let Some(essence) = parts.next().map(str::trim_end) else {
        return false;
    };
    if SHORT.contains(&text) {
        return true;
    }
    essence
        .split_once('/')
        .is_some_and(|(main, sub)| is_name(main) && is_name(sub))
        && parameters(text.get(essence.len()..).unwrap_or_default())
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

/// `; name=value` any number of times; a value is a token or in quotes.
fn parameters(mut text: &str) -> bool {
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return true;
        }
        let Some(rest) = text.strip_prefix(';') else {
            return false;
        };
        let Some((name, value)) = rest.split_once('=') else {
            return rest.trim().is_empty();
        };
        let Some(length) = value_length(value) else {
            return false;
        };
        if !name.trim().bytes().all(is_token) || name.trim().is_empty() {
            return false;
        }
        text = value.get(length..).unwrap_or_default();
    }
}

fn value_length(value: &str) -> Option<usize> {
    if !value.starts_with('"') {
        let length = value.bytes().take_while(|byte| is_token(*byte)).count();
        return (length > 0).then_some(length);
    }
    let mut escaped = true;
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
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
