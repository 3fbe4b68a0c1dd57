//! How the reader reports: paths, positions, and short words for what it found.

use std::fmt::Write;

use super::{MAX_ISSUES, Reader};
use crate::model::{
    Issue, Rule, Severity,
    definition::{ElementDef, TypeDef},
};

/// How much of a value a message quotes, in characters.
const QUOTED: usize = 48;

impl Reader<'_> {
    /// Reports an issue of a rule at the current path, with the rule's severity.
    pub(crate) fn report(&mut self, rule: Rule, offset: usize, expected: String, found: String) {
        if !self.dead {
            self.push_issue(rule, rule.severity(), offset, expected, found);
        }
    }

    /// Reports an issue at a child of the current path.
    #[allow(clippy::too_many_arguments, reason = "they are an issue and its place")]
    pub(crate) fn report_child(
        &mut self,
        parent: &'static TypeDef,
        child: &'static ElementDef,
        index: Option<usize>,
        rule: Rule,
        offset: usize,
        expected: String,
        found: String,
    ) {
        let mut segment = super::Segment::element(parent, child, 0);
        segment.index = index.map(|index| index as u32);
        self.path.push(segment);
        self.report(rule, offset, expected, found);
        self.path.pop();
    }

    pub(crate) fn push_issue(
        &mut self,
        rule: Rule,
        severity: Severity,
        offset: usize,
        expected: String,
        found: String,
    ) {
        let expression = if self.issues.len() < MAX_ISSUES || severity == Severity::Fatal {
            self.expression()
        } else {
            String::new()
        };
        self.keep(Issue {
            rule,
            severity,
            expression,
            offset,
            line: 0,
            column: 0,
            expected,
            found,
        });
    }

    /// Keeps an issue, or counts it when there are too many.
    pub(super) fn keep(&mut self, issue: Issue) {
        self.errors += usize::from(issue.severity.is_error());
        if self.issues.len() >= MAX_ISSUES && issue.severity != Severity::Fatal {
            self.dropped += 1;
        } else {
            self.issues.push(issue);
        }
    }

    /// The FHIRPath of where the reader is.
    pub(super) fn expression(&self) -> String {
        let mut text = String::new();
        for segment in &self.path {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(segment.name());
            if let Some(index) = segment.index {
                let _ = write!(text, "[{index}]");
            }
        }
        text
    }

    /// Words for the value at `offset`, shortened.
    pub(crate) fn describe(&self, offset: usize) -> String {
        let rest = self.source.get(offset..).unwrap_or_default();
        match rest.as_bytes().first() {
            Some(b'{') => "an object".into(),
            Some(b'[') => "an array".into(),
            Some(b'"') => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find('"').unwrap_or(inner.len());
                format!(
                    "the string {}",
                    quoted(inner.get(..end).unwrap_or_default())
                )
            }
            Some(b'n') => "null".into(),
            Some(b't' | b'f') => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphabetic())
                    .unwrap_or(rest.len());
                format!("the boolean {}", rest.get(..end).unwrap_or_default())
            }
            Some(_) => {
                let end = rest
                    .find(|c: char| c == ',' || c == '}' || c == ']' || c.is_whitespace())
                    .unwrap_or(rest.len());
                format!(
                    "the number {}",
                    shortened(rest.get(..end).unwrap_or_default())
                )
            }
            None => "the end of the document".into(),
        }
    }

    /// The issues in document order, with line and column.
    pub(super) fn into_issues(mut self) -> Vec<Issue> {
        if self.issues.is_empty() {
            return Vec::new();
        }
        if self.dropped > 0 {
            let found = format!("{} more", self.dropped);
            self.path.clear();
            let expected = format!("at most {MAX_ISSUES} issues");
            let end = self.bytes.len();
            self.push_issue(Rule::TooManyIssues, Severity::Fatal, end, expected, found);
        }
        let mut issues = self.issues;
        issues.sort_by_key(|issue| issue.offset);
        // Each byte is looked at once, however long its line is.
        let (mut line, mut column, mut at) = (1, 1, 0);
        for issue in &mut issues {
            let offset = issue.offset.max(at);
            let passed = self.source.get(at..offset).unwrap_or_default();
            let last = match memchr::memrchr(b'\n', passed.as_bytes()) {
                Some(newline) => {
                    line += memchr::memchr_iter(b'\n', passed.as_bytes()).count() as u32;
                    column = 1;
                    passed.get(newline + 1..).unwrap_or_default()
                }
                None => passed,
            };
            column += last.chars().count() as u32;
            at = offset;
            issue.line = line;
            issue.column = column;
        }
        issues
    }
}

/// A text in double quotes, shortened.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
