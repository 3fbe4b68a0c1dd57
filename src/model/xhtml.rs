//! Narratives: an XHTML fragment with one `div` as its root, of basic formatting
//! alone and not empty (<https://hl7.org/fhir/R4/narrative.html#xhtml>, XML 1.0).

mod allowed;

use super::{Constraint, Rule, Severity};

/// The namespace that the root element must be in.
const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// Elements and attributes are those of basic formatting.
static TXT_1: Constraint = Constraint {
    key: "txt-1",
    severity: Severity::Error,
    human: "a narrative has only the basic formatting elements and attributes of HTML 4.0 \
            (chapters 7 to 11 without 9.4, and 15), a, img and style attributes",
    expression: "htmlChecks()",
};

/// There is something to read or to see.
static TXT_2: Constraint = Constraint {
    key: "txt-2",
    severity: Severity::Error,
    human: "a narrative has content that is not white space",
    expression: "htmlChecks()",
};

/// What is wrong with a narrative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XhtmlDefect {
    pub(crate) rule: Rule,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

/// Checks that the text is one well-formed `div` element in the XHTML namespace
/// that has content, and nothing that a narrative must not have.
pub(crate) fn check(text: &str) -> Result<(), XhtmlDefect> {
    let text = trim(text);
    let mut narrative = Narrative::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (before, from) = rest.split_at(text_end(rest));
        narrative.characters(before)?;
        if from.is_empty() {
            break;
        }
        if narrative.rooted && narrative.open.is_empty() {
            return defect("nothing after the root div", from);
        }
        rest = narrative.markup(from)?;
    }
    narrative.end(text)
}

/// Where the text between markup ends: at `<`, `&` or `]]>`, else at its end.
fn text_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let rest = bytes.get(from..).unwrap_or_default();
        let Some(at) = memchr::memchr3(b'<', b'&', b']', rest) else {
            return bytes.len();
        };
        let found = rest.get(at..).unwrap_or_default();
        if found.first() != Some(&b']') || found.starts_with(b"]]>") {
            return from + at;
        }
        from += at + 1;
    }
}

/// What is known of a narrative so far.
#[derive(Default)]
struct Narrative<'a> {
    /// Names of the elements that are open.
    open: Vec<&'a str>,
    rooted: bool,
    /// Whether it has text or an image.
    content: bool,
    /// The first thing that a narrative must not have, and where. Told only
    /// when nothing is wrong with the form.
    forbidden: Option<(&'static str, &'a str)>,
}

impl<'a> Narrative<'a> {
    /// Text between tags; outside of the root only white space.
    fn characters(&mut self, text: &str) -> Result<(), XhtmlDefect> {
        if self.open.is_empty() && !is_blank(text) {
            return defect("a div as root, with all text inside", trim(text));
        }
        self.content = self.content || !is_blank(text);
        Ok(())
    }

    /// A tag, an entity or the like; what stands behind it.
    fn markup(&mut self, from: &'a str) -> Result<&'a str, XhtmlDefect> {
        match from.as_bytes() {
            [b'<', b'/', ..] => end_tag(from.get(2..).unwrap_or_default(), &mut self.open),
            [b'<', b'!', ..] => self.declaration(from),
            [b'<', b'?', ..] => after(from, "?>", "?> at the end of the processing instruction"),
            [b'<', ..] => self.start_tag(from),
            [b'&', ..] => {
                let rest = entity(from)?;
                let text = from.get(..from.len() - rest.len()).unwrap_or_default();
                self.content = self.content || !is_white(text);
                Ok(rest)
            }
            _ => defect("no ]]> in text", "]]>"),
        }
    }

    /// A comment or a CDATA section, and nothing else that begins with `<!`.
    fn declaration(&mut self, from: &'a str) -> Result<&'a str, XhtmlDefect> {
        if from.starts_with("<!--") {
            return comment(from);
        }
        let Some(inner) = from.strip_prefix("<![CDATA[") else {
            return defect("no document type declaration", from);
        };
        if self.open.is_empty() {
            return defect("a div as root", from);
        }
        let rest = after(inner, "]]>", "]]> at the end of the CDATA section")?;
        let end = (inner.len() - rest.len()).saturating_sub("]]>".len());
        self.content = self.content || !is_blank(inner.get(..end).unwrap_or_default());
        Ok(rest)
    }

    fn start_tag(&mut self, from: &'a str) -> Result<&'a str, XhtmlDefect> {
        let (name, mut rest) = name(from.get(1..).unwrap_or_default());
        if name.is_empty() {
            return defect("< as &lt; or the name of an element after it", from);
        }
        let element = bare(name);
        if !allowed::element(element) {
            self.forbid("only elements of basic formatting", from);
        }
        self.content |= element == "img";
        // What nearly all are.
        if self.rooted
            && let Some(rest) = rest.strip_prefix('>')
        {
            self.open.push(name);
            return Ok(rest);
        }
        let mut seen = 0;
        let mut spaces: Vec<&str> = Vec::new();
        let mut namespace = None;
        loop {
            let trimmed = trim_start(rest);
            let spaced = trimmed.len() < rest.len();
            rest = trimmed;
            let end = match rest.as_bytes() {
                [b'>', ..] => 1,
                [b'/', b'>', ..] => 2,
                _ => 0,
            };
            if end > 0 {
                let is_root = element == "div" && namespace == Some(NAMESPACE);
                if !self.rooted && !is_root {
                    return if element == "div" {
                        defect("a div in the namespace http://www.w3.org/1999/xhtml", from)
                    } else {
                        defect("a div as root", from)
                    };
                }
                self.rooted = true;
                if end == 1 {
                    self.open.push(name);
                }
                return Ok(rest.get(end..).unwrap_or_default());
            }
            let (attribute, value, after) = attribute(rest, spaced)?;
            let twice = if let Some(suffix) = attribute.strip_prefix("xmlns") {
                if suffix.trim_start_matches(':') == prefix(name) {
                    namespace = Some(value);
                }
                let twice = spaces.contains(&suffix);
                spaces.push(suffix);
                twice
            } else {
                let bit = allowed::attribute(element, attribute);
                if bit == 0 || !allowed::value(attribute, value) {
                    self.forbid("no attribute but those of basic formatting", rest);
                }
                let twice = seen & bit != 0;
                seen |= bit;
                twice
            };
            if twice {
                return defect("each attribute once", rest);
            }
            rest = after;
        }
    }

    fn forbid(&mut self, expected: &'static str, at: &'a str) {
        self.forbidden = self.forbidden.or(Some((expected, at)));
    }

    /// What can be said only at the end.
    fn end(&self, text: &str) -> Result<(), XhtmlDefect> {
        if let Some(name) = self.open.last() {
            return Err(XhtmlDefect {
                rule: Rule::Narrative,
                expected: "every element closed",
                found: format!("the end of the narrative inside <{}>", short(name)),
            });
        }
        if !self.rooted {
            return defect("a div as root", text);
        }
        if let Some((expected, at)) = self.forbidden {
            return broken(&TXT_1, expected, at);
        }
        if !self.content {
            return broken(&TXT_2, "a text or an image in the narrative", text);
        }
        Ok(())
    }
}

/// Whether a character reference stands for white space.
fn is_white(reference: &str) -> bool {
    matches!(
        reference.trim_start_matches("&#").trim_start_matches('0'),
        "9;" | "10;" | "13;" | "32;" | "x9;" | "xA;" | "xa;" | "xD;" | "xd;" | "x20;"
    )
}

/// The entities that XML itself defines. A narrative has no document type, so
/// those of HTML (`&nbsp;`) are not defined in it.
const ENTITIES: [&str; 5] = ["amp", "apos", "gt", "lt", "quot"];

/// `&amp;` and the like, `&#1;` or `&#x1;`.
fn entity(from: &str) -> Result<&str, XhtmlDefect> {
    let body = from.get(1..).unwrap_or_default();
    let end = body.bytes().take(33).position(|byte| byte == b';');
    let end = end.filter(|&end| end > 0);
    let valid =
        end.and_then(|end| body.get(..end))
            .is_some_and(|name| match name.strip_prefix('#') {
                Some(number) => {
                    let point = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    // The parsers take a sign.
                    !number.contains('+')
                        && point.is_ok_and(|point| char::from_u32(point).is_some_and(is_xml_char))
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
    // What nearly all are.
    if let Some(expected) = open.last()
        && let Some(rest) = inner.strip_prefix(expected)
        && let Some(rest) = rest.strip_prefix('>')
    {
        open.pop();
        return Ok(rest);
    }
    let (name, rest) = name(inner);
    let Some(rest) = trim_start(rest).strip_prefix('>') else {
        return defect("> at the end of the tag", inner);
    };
    match open.pop() {
        Some(expected) if expected == name => Ok(rest),
        Some(expected) => Err(XhtmlDefect {
            rule: Rule::Narrative,
            expected: "end tags that match the start tags",
            found: format!("</{}> for <{}>", short(name), short(expected)),
        }),
        None => defect("a start tag before the end tag", inner),
    }
}

fn bare(name: &str) -> &str {
    let colon = name.bytes().rposition(|byte| byte == b':');
    colon.map_or(name, |at| name.get(at + 1..).unwrap_or_default())
}

fn prefix(name: &str) -> &str {
    let colon = name.bytes().position(|byte| byte == b':');
    colon.map_or("", |at| name.get(..at).unwrap_or_default())
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
    let quote = match rest.as_bytes() {
        [quote @ (b'"' | b'\''), ..] => *quote,
        _ => return defect("quotes around the value of the attribute", from),
    };
    let inner = rest.get(1..).unwrap_or_default();
    let mut rest = inner;
    loop {
        let Some(at) = memchr::memchr3(quote, b'<', b'&', rest.as_bytes()) else {
            return defect("a quote at the end of the attribute", from);
        };
        let found = rest.get(at..).unwrap_or_default();
        rest = match found.as_bytes() {
            [b'<', ..] => return defect("no < in the value of an attribute", from),
            [b'&', ..] => entity(found)?,
            _ => {
                let value = inner.get(..inner.len() - found.len()).unwrap_or_default();
                return Ok((name, value, found.get(1..).unwrap_or_default()));
            }
        };
    }
}

/// The name at the start of the text, and the rest.
fn name(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let end = bytes
        .iter()
        .position(|&byte| !IS_NAME[usize::from(byte)])
        .unwrap_or(bytes.len());
    if bytes.get(end).is_none_or(u8::is_ascii) {
        // Digits and the like begin no name.
        return match bytes.first() {
            Some(b'0'..=b'9' | b'-' | b'.') => ("", text),
            _ => text.split_at(end),
        };
    }
    if !text.starts_with(is_name_start) {
        return ("", text);
    }
    let end = text.find(|char| !is_name_char(char)).unwrap_or(text.len());
    text.split_at(end)
}

/// The ASCII characters of a name, by byte.
const IS_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.');
        byte += 1;
    }
    table
};

fn is_name_start(char: char) -> bool {
    char.is_ascii_alphabetic()
        || matches!(char, '_' | ':')
        || (char >= '\u{C0}' && char.is_alphabetic())
}

fn is_name_char(char: char) -> bool {
    is_name_start(char) || char.is_ascii_digit() || matches!(char, '-' | '.' | '\u{B7}')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

fn trim_start(text: &str) -> &str {
    let start = text.bytes().position(|byte| !is_space(byte));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

fn trim(text: &str) -> &str {
    let text = trim_start(text);
    let last = text.bytes().rposition(|byte| !is_space(byte));
    text.get(..last.map_or(0, |at| at + 1)).unwrap_or_default()
}

/// A defect of the form.
fn defect<T>(expected: &'static str, found: &str) -> Result<T, XhtmlDefect> {
    Err(XhtmlDefect {
        rule: Rule::Narrative,
        expected,
        found: format!("\"{}\"", short(found)),
    })
}

/// A defect of what is well-formed.
fn broken(
    constraint: &'static Constraint,
    expected: &'static str,
    found: &str,
) -> Result<(), XhtmlDefect> {
    Err(XhtmlDefect {
        rule: Rule::Constraint(constraint),
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
            "text",
            "<p>a<br/>b</p>",
            "<!-- c --> &amp; &#160; &#xA0;",
            "<img src='x.png' alt='x'/>",
            "<table class='grid'><tr><td colspan='2' style='color: red'>1</td></tr></table>",
            "<a href='x' title=\"a > b\">y</a>",
            "<![CDATA[<]]>",
            "a]b ]] > c",
            "<p title='a > b' id='ä'>ä</p >",
        ] {
            assert_eq!(check(&div(inner)), Ok(()), "{inner}");
        }
        assert_eq!(check(&format!("\n {} \n", div("x"))), Ok(()));
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
            "&#+1;",
            "a ]] > b ]]> c",
            "<1p/>",
            "<-p/>",
        ] {
            assert!(check(&div(inner)).is_err(), "{inner}");
        }
        for whole in [
            "",
            "text",
            "<p>x</p>",
            "<div>x</div>",
            "x<div xmlns='http://www.w3.org/1999/xhtml'>x</div>",
            "<!DOCTYPE html>",
        ] {
            assert!(check(whole).is_err(), "{whole}");
        }
        assert!(check(&format!("{0}{0}", div("x"))).is_err());
    }

    fn code(narrative: &str) -> &'static str {
        check(narrative).map_or_else(|defect| defect.rule.code(), |()| "")
    }

    #[test]
    fn refuses_what_is_no_basic_formatting() {
        for inner in [
            "<script>x</script>",
            "<p onclick='x()'>x</p>",
            "<form>x</form>",
            "<iframe src='x'/>x",
            "<object/>x",
            "<link rel='stylesheet' href='x'/>x",
            "<base href='x'/>x",
            "<font>x</font>",
            "<P>x</P>",
            "<a href=' JavaScript:x()'>x</a>",
            "<p href='x'>x</p>",
        ] {
            assert_eq!(code(&div(inner)), "txt-1", "{inner}");
        }
        // What is not well-formed is not looked at for anything else.
        assert_eq!(code(&div("<p onclick='x()'>x")), "narrative-xhtml");
        assert_eq!(
            code(&div("<p class='1' class='2'>x</p>")),
            "narrative-xhtml"
        );
    }

    #[test]
    fn refuses_what_is_empty() {
        for inner in [
            "",
            " \n",
            "<p> </p>",
            "<!-- x -->",
            "&#32;&#x20;",
            "<![CDATA[ ]]>",
            "<br/>",
        ] {
            assert_eq!(code(&div(inner)), "txt-2", "{inner}");
        }
        assert_eq!(code("<div xmlns='http://www.w3.org/1999/xhtml'/>"), "txt-2");
    }
}
