//! JSON for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{
    super::{
        check::Document,
        report::{File, Sink, Summary},
    },
    Output,
};
use crate::model::Issue;

/// Writes one object: `issues` and `summary`.
pub(super) struct Json {
    summary_only: bool,
    written: bool,
}

impl Json {
    /// An object whose list of issues may stay empty.
    pub(super) fn new(summary_only: bool) -> Self {
        Self {
            summary_only,
            written: false,
        }
    }
}

impl Output for Json {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        if self.summary_only {
            return Ok(());
        }
        for issue in &document.issues {
            if sink.admits(1) {
                let gap = if self.written {
                    ",\n"
                } else {
                    "{\"issues\":[\n"
                };
                self.written = true;
                write!(sink, "{gap}{}", as_json(file, document, issue))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        if !self.written {
            sink.write_all(b"{\"issues\":[")?;
        }
        let summary = summary_as_json(summary, sink.hidden);
        write!(sink, "\n],\"summary\":{summary}}}\n")
    }
}

/// Writes one object a line for each issue.
pub(super) struct Ndjson;

impl Output for Ndjson {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        for issue in &document.issues {
            if sink.admits(1) {
                writeln!(sink, "{}", as_json(file, document, issue))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, _summary: &Summary, _sink: &mut Sink) -> io::Result<()> {
        Ok(())
    }
}

fn as_json(file: &File, document: &Document, issue: &Issue) -> Value {
    json!({
        "file": &*file.name,
        "line": issue.line,
        "column": issue.column,
        "offset": issue.offset,
        "severity": issue.severity.as_str(),
        "code": issue.rule.code(),
        "type": issue.rule.issue_type().as_str(),
        "resource": document.reference,
        "expression": issue.expression,
        "expected": issue.expected,
        "found": issue.found,
    })
}

fn summary_as_json(summary: &Summary, hidden: u64) -> Value {
    let failing: Vec<Value> = summary
        .failing
        .iter()
        .map(|(name, counts)| {
            json!({ "file": &**name, "errors": counts.errors, "warnings": counts.warnings })
        })
        .collect();
    let unreadable: Vec<Value> = summary
        .unreadable
        .iter()
        .map(|(name, error)| json!({ "file": &**name, "reason": error }))
        .collect();
    json!({
        "files": summary.files,
        "resources": summary.documents,
        "errors": summary.counts.errors,
        "warnings": summary.counts.warnings,
        "information": summary.counts.information,
        "ignored": summary.counts.ignored,
        "hidden": hidden,
        "rules": summary.rules,
        "failing": failing,
        "unreadable": unreadable,
    })
}
