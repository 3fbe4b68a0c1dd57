//! JSON that keeps the text of its numbers.
//!
//! FHIR decimals carry their precision in their digits: `1.50` is not `1.5`
//! (<https://hl7.org/fhir/R4/datatypes.html#decimal>). `serde_json::Value` keeps
//! numbers as `f64`, so answers are cut and rearranged in this tree, and turned
//! into a `Value` only at the end, with every number whose text a `Value`
//! changes listed beside it.

use serde_json::Value;

/// A JSON value. Objects keep the order of their members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The number as it was written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Deeper documents are refused; FHIR reading stops at 128 levels too.
const MAX_DEPTH: usize = 200;

impl Json {
    /// The document, or `None` when it is no JSON or deeper than 200 levels.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_blanks();
        (reader.at == text.len()).then_some(value)
    }

    /// An object of these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// A string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The member of an object with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of the string member with this name.
    pub(crate) fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::as_str)
    }

    /// The values of an array; none for anything else.
    pub(crate) fn items(&self) -> &[Json] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The items of the array member with this name.
    pub(crate) fn list(&self, name: &str) -> &[Json] {
        self.get(name).map_or(&[], Self::items)
    }

    /// Sets a member of an object, in its place if it is there, else at the end.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        if let Self::Object(members) = self {
            match members.iter_mut().find(|(key, _)| key == name) {
                Some((_, old)) => *old = value,
                None => members.push((name.to_owned(), value)),
            }
        }
    }

    /// Takes a member out of an object.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json> {
        match self {
            Self::Object(members) => {
                let index = members.iter().position(|(key, _)| key == name)?;
                Some(members.remove(index).1)
            }
            _ => None,
        }
    }

    /// Compact JSON text.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Length of the compact text in bytes.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Bool(true) => 4,
            Self::Bool(false) => 5,
            Self::Number(text) => text.len(),
            Self::String(text) => quoted(text).len(),
            Self::Array(items) => {
                2 + items.len().saturating_sub(1) + items.iter().map(Self::text_len).sum::<usize>()
            }
            Self::Object(members) => {
                let inner: usize = members
                    .iter()
                    .map(|(name, value)| quoted(name).len() + 1 + value.text_len())
                    .sum();
                2 + members.len().saturating_sub(1) + inner
            }
        }
    }

    /// The same as a `Value`. Numbers whose text would read differently after
    /// that are added to `changed` with their path (`valueQuantity.value`) and
    /// their text; in the `Value` they are the nearest number it can hold, or
    /// their text when they are out of its range.
    pub(crate) fn to_value(&self, path: &str, changed: &mut Vec<(String, String)>) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::String(text) => Value::String(text.clone()),
            Self::Number(text) => {
                let value: Value =
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
                let written = value.to_string();
                if written != *text {
                    changed.push((path.to_owned(), text.clone()));
                }
                value
            }
            Self::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| item.to_value(&format!("{path}[{index}]"), changed))
                .collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    (name.clone(), value.to_value(&path, changed))
                })
                .collect(),
        }
    }

    /// The numbers that a `Value` changes, as an object of path and text;
    /// `None` when there are none.
    pub(crate) fn exact_decimals(&self) -> Option<Json> {
        let mut changed = Vec::new();
        self.to_value("", &mut changed);
        (!changed.is_empty()).then(|| {
            Self::Object(
                changed
                    .into_iter()
                    .map(|(path, text)| (path, Self::String(text)))
                    .collect(),
            )
        })
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => out.push_str(&quoted(text)),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.into_iter().map(|(k, v)| (k, v.into())).collect())
            }
        }
    }
}

/// A string as JSON writes it.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// Reads a document whose syntax the FHIR reader has most often checked before.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        match self.peek()? {
            b'{' => self.members(depth).map(Json::Object),
            b'[' => self.array(depth).map(Json::Array),
            b'"' => self.string().map(Json::String),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn members(&mut self, depth: usize) -> Option<Vec<(String, Json)>> {
        let mut members = Vec::new();
        self.at += 1;
        if self.next_is(b'}') {
            return Some(members);
        }
        loop {
            self.skip_blanks();
            let name = (self.peek()? == b'"').then(|| self.string())??;
            if !self.next_is(b':') {
                return None;
            }
            members.push((name, self.value(depth + 1)?));
            if self.next_is(b'}') {
                return Some(members);
            }
            if !self.next_is(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Json>> {
        let mut items = Vec::new();
        self.at += 1;
        if self.next_is(b']') {
            return Some(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.next_is(b']') {
                return Some(items);
            }
            if !self.next_is(b',') {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        while *bytes.get(end)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.at = end + 1;
        serde_json::from_str(self.text.get(start..=end)?).ok()
    }

    fn number(&mut self) -> Option<Json> {
        let rest = self.text.get(self.at..)?;
        let len = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let text = rest.get(..len)?;
        // Numbers are read as raw text: those beyond the range of an f64 are
        // JSON, and FHIR decimals, all the same.
        serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
        self.at += len;
        Some(Json::Number(text.to_owned()))
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn next_is(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let source = r#"{"a":[1.50,-0.0,1e3,12345678901234567890123,7,1e999],"b":"x\n\u00e9"}"#;
        let json = Json::parse(source).unwrap();
        assert!(
            json.to_text()
                .starts_with(r#"{"a":[1.50,-0.0,1e3,12345678901234567890123,7,1e999]"#)
        );
        assert_eq!(json.to_text().len(), json.text_len());
        let exact = json.exact_decimals().unwrap();
        assert_eq!(exact.str("a[0]"), Some("1.50"));
        assert_eq!(exact.str("a[3]"), Some("12345678901234567890123"));
        assert_eq!(exact.get("a[4]"), None);
        assert_eq!(exact.str("a[5]"), Some("1e999"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\" 1}",
            "01",
            "tru",
            "\"\\",
            "1 2",
            "{a:1}",
        ] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
        assert_eq!(Json::parse(&"[".repeat(10_000)), None);
    }
}
