//! One [OperationOutcome](https://hl7.org/fhir/R4/operationoutcome.html).

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

/// Writes one OperationOutcome.
#[derive(Default)]
pub(super) struct Outcome {
    written: bool,
}

impl Outcome {
    fn write(&mut self, item: &Value, sink: &mut Sink) -> io::Result<()> {
        let gap = match self.written {
            true => ",\n",
            false => "{\"resourceType\":\"OperationOutcome\",\"issue\":[\n",
        };
        self.written = true;
        write!(sink, "{gap}{item}")
    }
}

impl Output for Outcome {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        for issue in &document.issues {
            if sink.admits(1) {
                self.write(&as_outcome(file, document, issue), sink)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        if sink.hidden > 0 {
            let hidden = format!("{} more issues are not shown.", sink.hidden);
            self.write(&remark(&hidden), sink)?;
        }
        if !self.written {
            let checked = format!("Checked {} resources; no issues.", summary.documents);
            self.write(&remark(&checked), sink)?;
        }
        sink.write_all(b"\n]}\n")
    }
}

fn remark(text: &str) -> Value {
    json!({
        "severity": "information",
        "code": "informational",
        "details": { "text": text },
    })
}

/// An issue whose diagnostics say where it is.
fn as_outcome(file: &File, document: &Document, issue: &Issue) -> Value {
    let mut place = format!("{}:{}:{}", file.name, issue.line, issue.column);
    if let Some(reference) = document.reference_in_lines() {
        place += &format!(" {reference}");
    }
    let mut outcome = json!({
        "severity": issue.severity.as_str(),
        "code": issue.rule.issue_type().as_str(),
        "details": {
            "coding": [{ "code": issue.rule.code(), "display": issue.rule.title() }],
            "text": issue.message(),
        },
        "diagnostics": place,
    });
    if !issue.expression.is_empty() {
        outcome["expression"] = json!([issue.expression]);
    }
    outcome
}
