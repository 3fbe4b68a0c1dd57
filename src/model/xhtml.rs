//! Well-formedness of narratives: an XHTML fragment with one `div` as its root
//! (<https://hl7.org/fhir/R4/narrative.html#xhtml>, XML 1.0).

use std::ops::ControlFlow;

/// The namespace that the root element must be in.
const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// What is wrong with a narrative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XhtmlDefect {
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

type Step<'a> = Result<ControlFlow<(), &'a str>, XhtmlDefect>;

/// Checks that the text is one well-formed `div` element in the XHTML namespace.
pub(crate) fn check(text: &str) -> Result<(), XhtmlDefect> {
    let text = trim(text);
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    let mut rooted = false;
    while !rest.is_empty() {
        let Some(markup) = memchr::memchr2(b'<', b'&', rest.as_bytes()) else {
            characters(rest, &open)?;
            break;
        };
        let (before, from) = rest.split_at(markup);
        characters(before, &open)?;
        if rooted && open.is_empty() {
            return defect("nothing after the root div", from);
        }
        rest = if from.starts_with('&') {
            entity(from)?
        } else if from.starts_with("<!--") {
            comment(from)?
        } else if let Some(inner) = from.strip_prefix("<![CDATA[") {
            if open.is_empty() {
                return defect("a div as root", from);
            }
            after(inner, "]]>", "]]> at the end of the CDATA section")?
        } else if let Some(inner) = from.strip_prefix("<?") {
            after(inner, "?>", "?> at the end of the processing instruction")?
        } else if from.starts_with("<!") {
            return defect("no document type declaration", from);
        } else if let Some(inner) = from.strip_prefix("</") {
            end_tag(inner, &mut open)?
        } else {
            rooted = true;
            match start_tag(from, &mut open)? {
                ControlFlow::Continue(rest) => rest,
                ControlFlow::Break(()) => return defect("a div as root", from),
            }
        };
    }
    match open.last() {
        Some(name) => Err(XhtmlDefect {
            expected: "every element closed",
            found: format!("the end of the narrative inside <{}>", short(name)),
        }),
        None if !rooted => defect("a div as root", text),
        None => Ok(()),
    }
}

/// Text between tags; outside of the root only white space.
fn characters(text: &str, open: &[&str]) -> Result<(), XhtmlDefect> {
    if open.is_empty() && !trim(text).is_empty() {
        return defect("a div as root, with all text inside", trim(text));
    }
    if text.contains("]]>") {
        return defect("no ]]> in text", "]]>");
    }
    Ok(())
}

/// The entities that XML itself defines. A narrative has no document type, so
/// those of HTML (`&nbsp;`) are not defined in it.
const ENTITIES: [&str; 5] = ["amp", "apos", "gt", "lt", "quot"];

/// `&amp;` and the like, `&#1;` or `&#x1;`.
fn entity(from: &str) -> Result<&str, XhtmlDefect> {
    let body = from.get(1..).unwrap_or_default();
    let end = body.find(';').filter(|&end| end > 0 && end <= 32);
    let valid =
        end.and_then(|end| body.get(..end))
            .is_some_and(|name| match name.strip_prefix('#') {
                Some(number) => {
                    let point = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    point.is_ok_and(|point| char::from_u32(point).is_some_and(is_xml_char))
                }
                None => ENTITIES.contains(&name),
            });
    match end {
        Some(end) if valid => Ok(body.get(end + 1..).unwrap_or_default()),
        _ => defect(
            "& as &amp;, and only the entities of XML or character numbers",
            from,
        ),
    }
}

fn is_xml_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn comment(from: &str) -> Result<&str, XhtmlDefect> {
    let inner = from.get(4..).unwrap_or_default();
    let Some(end) = inner.find("--") else {
        return defect("--> at the end of the comment", from);
    };
    match inner.get(end..).and_then(|rest| rest.strip_prefix("-->")) {
        Some(rest) => Ok(rest),
        None => defect("no -- inside a comment", from),
    }
}

fn after<'a>(text: &'a str, close: &str, expected: &'static str) -> Result<&'a str, XhtmlDefect> {
    match text.find(close) {
        Some(end) => Ok(text.get(end + close.len()..).unwrap_or_default()),
        None => defect(expected, text),
    }
}

fn end_tag<'a>(inner: &'a str, open: &mut Vec<&'a str>) -> Result<&'a str, XhtmlDefect> {
    let (name, rest) = name(inner);
    let Some(rest) = trim_start(rest).strip_prefix('>') else {
        return defect("> at the end of the tag", inner);
    };
    match open.pop() {
        Some(expected) if expected == name => Ok(rest),
        Some(expected) => Err(XhtmlDefect {
            expected: "end tags that match the start tags",
            found: format!("</{}> for <{}>", short(name), short(expected)),
        }),
        None => defect("a start tag before the end tag", inner),
    }
}

/// A start tag; `Break` when it is the root and no div.
fn start_tag<'a>(from: &'a str, open: &mut Vec<&'a str>) -> Step<'a> {
    let (name, mut rest) = name(from.get(1..).unwrap_or_default());
    if name.is_empty() {
        return defect("< as &lt; or the name of an element after it", from);
    }
    let mut names: Vec<&str> = Vec::new();
    let mut namespace = None;
    loop {
        let trimmed = trim_start(rest);
        let spaced = trimmed.len() < rest.len();
        rest = trimmed;
        let closed = rest.strip_prefix("/>");
        if let Some(rest) = closed.or_else(|| rest.strip_prefix('>')) {
            if open.is_empty() && !is_root(name, namespace) {
                return if bare(name) == "div" {
                    defect("a div in the namespace http://www.w3.org/1999/xhtml", from)
                } else {
                    Ok(ControlFlow::Break(()))
                };
            }
            if closed.is_none() {
                open.push(name);
            }
            return Ok(ControlFlow::Continue(rest));
        }
        let (attribute, value, after) = attribute(rest, spaced)?;
        if names.contains(&attribute) {
            return defect("each attribute once", rest);
        }
        if attribute
            .strip_prefix("xmlns")
            .is_some_and(|suffix| suffix.trim_start_matches(':') == prefix(name))
        {
            namespace = Some(value);
        }
        names.push(attribute);
        rest = after;
    }
}

fn is_root(name: &str, namespace: Option<&str>) -> bool {
    bare(name) == "div" && namespace == Some(NAMESPACE)
}

fn bare(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn attribute(from: &str, spaced: bool) -> Result<(&str, &str, &str), XhtmlDefect> {
    let (name, rest) = name(from);
    if name.is_empty() || !spaced {
        return defect(
            "attributes as name=\"value\", or > at the end of the tag",
            from,
        );
    }
    let Some(rest) = trim_start(rest).strip_prefix('=') else {
        return defect("= and a value after the name of the attribute", from);
    };
    let rest = trim_start(rest);
    let Some(quote) = rest
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))
    else {
        return defect("quotes around the value of the attribute", from);
    };
    let inner = rest.get(1..).unwrap_or_default();
    let Some((value, after)) = inner.split_once(quote) else {
        return defect("a quote at the end of the attribute", from);
    };
    if value.contains('<') {
        return defect("no < in the value of an attribute", from);
    }
    let mut references = value;
    while let Some(at) = references.find('&') {
        references = entity(references.get(at..).unwrap_or_default())?;
    }
    Ok((name, value, after))
}

/// The name at the start of the text, and the rest.
fn name(text: &str) -> (&str, &str) {
    if !text.starts_with(is_name_start) {
        return ("", text);
    }
    let end = text.find(|char| !is_name_char(char)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_name_start(char: char) -> bool {
    char.is_ascii_alphabetic()
        || matches!(char, '_' | ':')
        || (char >= '\u{C0}' && char.is_alphabetic())
}

fn is_name_char(char: char) -> bool {
    is_name_start(char) || char.is_ascii_digit() || matches!(char, '-' | '.' | '\u{B7}')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn defect<T>(expected: &'static str, found: &str) -> Result<T, XhtmlDefect> {
    Err(XhtmlDefect {
        expected,
        found: format!("\"{}\"", short(found)),
    })
}

fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .take(40)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if line.len() < text.len() {
        format!("{line}…")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    fn div(inner: &str) -> String {
        format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>")
    }

    #[test]
    fn accepts_well_formed_narratives() {
        for inner in [
            "",
            "text",
            "<p>a<br/>b</p>",
            "<!-- c --> &amp; &#160; &#xA0;",
            "<a href='x' title=\"a > b\">y</a>",
            "<![CDATA[<]]>",
        ] {
            assert_eq!(check(&div(inner)), Ok(()), "{inner}");
        }
        assert_eq!(check(&format!("\n {} \n", div("x"))), Ok(()));
        assert_eq!(check("<div xmlns='http://www.w3.org/1999/xhtml'/>"), Ok(()));
        assert_eq!(
            check("<h:div xmlns:h='http://www.w3.org/1999/xhtml'>x</h:div>"),
            Ok(())
        );
    }

    #[test]
    fn refuses_what_is_not() {
        for inner in [
            "<p>",
            "</p>",
            "<p></b>",
            "a & b",
            "<p class=x/>",
            "<p a='1' a='2'/>",
            "<p a='<'/>",
            "< p/>",
            "<!-- a -- b -->",
            "&#0;",
            "&nbsp;",
            "<p a='1'b='2'/>",
            "<p a/>",
        ] {
            assert!(check(&div(inner)).is_err(), "{inner}");
        }
        for whole in [
            "",
            "text",
            "<p>x</p>",
            "<div>x</div>",
            "x<div xmlns='http://www.w3.org/1999/xhtml'/>",
            "<!DOCTYPE html>",
        ] {
            assert!(check(whole).is_err(), "{whole}");
        }
        assert!(check(&format!("{0}{0}", div(""))).is_err());
    }
}
