//! What the user is asked: what will happen, and to what.
//!
//! It is plain text of bounded length. Values stand in it as JSON, so that none
//! of them can begin a line of its own, and without hidden characters, so that
//! none can be read as another.

use super::difference::{self, Change};
use crate::{
    client::interaction::Parameter,
    mcp::{hidden::Found, json::Json},
};

/// Changes that are shown at most.
const MAX_LINES: usize = 40;

/// Elements of a summary at most.
const MAX_ELEMENTS: usize = 12;

/// Characters of a value at most.
const VALUE_LENGTH: usize = 160;

/// Paths that are named of the changes that are not shown.
const MAX_NAMED: usize = 20;

/// A text that ends in the question to confirm it.
#[derive(Clone, Debug)]
pub(crate) struct Question(String);

impl Question {
    /// Begins with what will happen, in one line.
    pub(crate) fn new(what: &str) -> Self {
        let mut question = Self(String::new());
        question.line(what);
        question
    }

    /// Adds the parameters that go with it, if there are any.
    pub(crate) fn parameters(mut self, parameters: &[Parameter]) -> Self {
        for (name, value) in parameters.iter().take(MAX_ELEMENTS) {
            let value = shown(&Json::text(value));
            self.line(&format!("with {name}={value}"));
        }
        if parameters.len() > MAX_ELEMENTS {
            let more = parameters.len() - MAX_ELEMENTS;
            self.line(&format!("and {more} more parameters"));
        }
        self
    }

    /// Adds the difference between what is stored and what will be.
    pub(crate) fn difference(mut self, old: &Json, new: &Json) -> Self {
        let changes = difference::between(old, new);
        if changes.is_empty() {
            self.line("No element changes.");
        }
        self.changes(&changes, MAX_LINES);
        self.hidden(new);
        self
    }

    /// Adds the elements of a new resource.
    pub(crate) fn summary(mut self, resource: &Json) -> Self {
        self.changes(&difference::elements(resource, true), MAX_ELEMENTS);
        self.hidden(resource);
        self
    }

    /// Adds the elements of a resource that goes.
    pub(crate) fn loss(mut self, resource: &Json) -> Self {
        self.changes(&difference::elements(resource, false), MAX_ELEMENTS);
        self
    }

    /// Adds a remark.
    pub(crate) fn remark(mut self, remark: &str) -> Self {
        self.line(remark);
        self
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    fn changes(&mut self, changes: &[Change<'_>], limit: usize) {
        for change in changes.iter().take(limit) {
            let path = &change.path;
            let line = match (change.old.map(shown), change.new.map(shown)) {
                (Some(old), Some(new)) => format!("{path}: {old} → {new}"),
                (None, Some(new)) => format!("+ {path}: {new}"),
                (Some(old), None) => format!("- {path}: {old}"),
                (None, None) => continue,
            };
            self.line(&line);
        }
        let rest = changes.get(limit..).unwrap_or_default();
        if !rest.is_empty() {
            let paths = rest.iter().take(MAX_NAMED);
            let paths: Vec<&str> = paths.map(|change| change.path.as_str()).collect();
            let more = match rest.len() > paths.len() {
                true => " …",
                false => "",
            };
            let paths = paths.join(", ");
            self.line(&format!("and {} more: {paths}{more}", rest.len()));
        }
    }

    /// Says that what is written holds characters that nobody sees.
    fn hidden(&mut self, resource: &Json) {
        let mut found = Found::default();
        let root = resource.str("resourceType").unwrap_or("Resource");
        found.strip(&mut resource.clone(), root);
        if !found.is_empty() {
            self.line(&format!("Not shown here: {}.", found.sentence()));
        }
    }

    fn line(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&visible(text));
    }
}

/// A value as JSON, cut where it is too long to be read.
fn shown(value: &Json) -> String {
    let text = visible(&value.to_text());
    match text.char_indices().nth(VALUE_LENGTH) {
        Some((end, _)) => {
            let rest = text.chars().count() - VALUE_LENGTH;
            let text = text.get(..end).unwrap_or_default();
            format!("{text}… ({rest} more characters)")
        }
        None => text,
    }
}

/// The text in one line, without hidden characters.
fn visible(text: &str) -> String {
    let mut text: String = text
        .chars()
        .map(|char| match char {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            char => char,
        })
        .collect();
    Found::default().strip_text(&mut text, "");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_neither_begin_a_line_nor_turn_it_around() {
        let text = "x\n+ Patient.active: true\u{2028}\u{202e}";
        let resource = Json::object([
            ("resourceType", Json::text("Patient")),
            ("a", Json::text(text)),
        ]);
        let question = Question::new("Create\u{202e} it").summary(&resource);
        let lines: Vec<&str> = question.text().lines().collect();
        assert_eq!(
            lines[..2],
            ["Create it", r#"+ Patient.a: "x\n+ Patient.active: true ""#]
        );
        assert!(
            lines[2].starts_with("Not shown here: 1 hidden"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_question_is_bounded_and_says_what_it_leaves_out() {
        let members = (0..200).map(|n| (format!("e{n}"), Json::text("x".repeat(5_000))));
        let resource = Json::Object(members.collect());
        let old = Json::Object(Vec::new());
        let question = Question::new("x").difference(&old, &resource);
        assert!(question.text().chars().count() < 10_000);
        assert!(question.text().contains("and 160 more: Resource.e40"));
        assert!(question.text().contains("(4842 more characters)"));
    }
}
