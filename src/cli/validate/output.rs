//! What `validate` says.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::input::Outcome;
use crate::model::{Issue, Severity};

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line an issue, and a summary
    Text,
    /// One JSON object: issues and summary
    Json,
    /// One FHIR OperationOutcome
    #[value(name = "operationoutcome")]
    OperationOutcome,
}

/// Between two updates of the progress.
const TICK: Duration = Duration::from_millis(200);
/// Runs shorter than this show no progress.
const PATIENCE: Duration = Duration::from_secs(1);
/// Back to the beginning of the line, and nothing on it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Writes outcomes to standard output and progress to standard error, and
/// counts.
pub struct Report {
    format: Format,
    output: BufWriter<StdoutLock<'static>>,
    colour: bool,
    progress: Option<Progress>,
    last_file: Option<Arc<str>>,
    files: u64,
    documents: u64,
    counts: Counts,
    /// Errors of each file that has any, by first appearance.
    failing: Vec<(Arc<str>, u64)>,
    unreadable: BTreeMap<Arc<str>, String>,
    written: u64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    errors: u64,
    warnings: u64,
}

impl Report {
    /// A report to standard output. Colour is used on a terminal unless
    /// `NO_COLOR` is set; progress is shown if standard error is a terminal.
    pub fn new(format: Format) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            output: BufWriter::new(io::stdout().lock()),
            colour: !no_colour && format == Format::Text && io::stdout().is_terminal(),
            progress: io::stderr().is_terminal().then(Progress::new),
            last_file: None,
            files: 0,
            documents: 0,
            counts: Counts::default(),
            failing: Vec::new(),
            unreadable: BTreeMap::new(),
            written: 0,
        }
    }

    /// Issues with the severity error or fatal.
    pub fn errors(&self) -> u64 {
        self.counts.errors
    }

    /// Inputs that could not be read, or not to their end.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Writes the issues of an outcome.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        if self.last_file.as_ref() != Some(&outcome.name) {
            self.last_file = Some(outcome.name.clone());
            self.files += 1;
        }
        self.documents += outcome.documents;
        let mut errors = 0;
        for issue in &outcome.issues {
            if issue.severity.is_error() {
                errors += 1;
            } else if issue.severity == Severity::Warning {
                self.counts.warnings += 1;
            }
            self.write_issue(&outcome.name, issue)?;
        }
        if errors > 0 {
            self.counts.errors += errors;
            match self.failing.last_mut() {
                Some((name, count)) if *name == outcome.name => *count += errors,
                _ => self.failing.push((outcome.name.clone(), errors)),
            }
        }
        if let Some(error) = &outcome.unreadable {
            self.unreadable
                .insert(outcome.name.clone(), error.to_string());
        }
        if let Some(progress) = &mut self.progress {
            progress.show(self.documents, self.files, self.counts.errors);
        }
        Ok(())
    }

    /// Writes what comes after the last issue.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(progress) = &mut self.progress {
            progress.clear();
        }
        self.write_unreadable();
        match self.format {
            Format::Text => self.write_summary()?,
            Format::Json => {
                self.open_list("{\"issues\":[")?;
                write!(self.output, "\n],\"summary\":{}}}\n", self.summary())?;
            }
            Format::OperationOutcome => {
                if self.written == 0 {
                    let all_ok = json!({
                        "severity": "information",
                        "code": "informational",
                        "details": { "text": format!("Checked {} resources; no issues.", self.documents) },
                    });
                    self.write_item(OUTCOME_START, &all_ok)?;
                }
                self.output.write_all(b"\n]}\n")?;
            }
        }
        self.output.flush()
    }

    fn write_issue(&mut self, name: &str, issue: &Issue) -> io::Result<()> {
        match self.format {
            Format::Text => {
                if let Some(progress) = &mut self.progress {
                    progress.clear();
                }
                let place = format!("{name}:{}:{}", issue.line, issue.column);
                let severity = self.painted(issue.severity);
                let code = issue.rule.code();
                let gap = if issue.expression.is_empty() { "" } else { " " };
                writeln!(
                    self.output,
                    "{place}: {severity}[{code}]{gap}{}: {}",
                    issue.expression,
                    issue.message()
                )?;
                if self.colour {
                    // Someone is watching.
                    self.output.flush()?;
                }
                Ok(())
            }
            Format::Json => self.write_item("{\"issues\":[", &as_json(name, issue)),
            Format::OperationOutcome => self.write_item(OUTCOME_START, &as_outcome(name, issue)),
        }
    }

    fn painted(&self, severity: Severity) -> String {
        let colour = match severity {
            Severity::Fatal | Severity::Error => 31,
            Severity::Warning => 33,
            Severity::Information => 36,
        };
        if self.colour {
            format!("\x1b[{colour}m{severity}\x1b[0m")
        } else {
            severity.to_string()
        }
    }

    fn open_list(&mut self, start: &str) -> io::Result<()> {
        if self.written == 0 {
            self.output.write_all(start.as_bytes())?;
        }
        Ok(())
    }

    fn write_item(&mut self, start: &str, item: &Value) -> io::Result<()> {
        self.open_list(start)?;
        let gap = if self.written == 0 { "\n" } else { ",\n" };
        self.written += 1;
        write!(self.output, "{gap}{item}")
    }

    fn write_summary(&mut self) -> io::Result<()> {
        writeln!(
            self.output,
            "Checked {} in {}: {}, {}.",
            counted(self.documents, "resource"),
            counted(self.files, "file"),
            counted(self.counts.errors, "error"),
            counted(self.counts.warnings, "warning"),
        )?;
        if !self.failing.is_empty() {
            writeln!(self.output, "Files with errors:")?;
            for (name, errors) in &self.failing {
                writeln!(self.output, "  {name}: {}", counted(*errors, "error"))?;
            }
        }
        Ok(())
    }

    #[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
    fn write_unreadable(&self) {
        for (name, error) in &self.unreadable {
            eprintln!("error: cannot read `{name}`: {error}");
        }
    }

    fn summary(&self) -> Value {
        let failing: Vec<Value> = self
            .failing
            .iter()
            .map(|(name, errors)| json!({ "file": &**name, "errors": errors }))
            .collect();
        let unreadable: Vec<Value> = self
            .unreadable
            .iter()
            .map(|(name, error)| json!({ "file": &**name, "reason": error }))
            .collect();
        json!({
            "files": self.files,
            "resources": self.documents,
            "errors": self.counts.errors,
            "warnings": self.counts.warnings,
            "failing": failing,
            "unreadable": unreadable,
        })
    }
}

const OUTCOME_START: &str = "{\"resourceType\":\"OperationOutcome\",\"issue\":[";

fn as_json(name: &str, issue: &Issue) -> Value {
    json!({
        "file": name,
        "line": issue.line,
        "column": issue.column,
        "offset": issue.offset,
        "severity": issue.severity.as_str(),
        "code": issue.rule.code(),
        "type": issue.rule.issue_type().as_str(),
        "expression": issue.expression,
        "expected": issue.expected,
        "found": issue.found,
    })
}

/// An [issue](https://hl7.org/fhir/R4/operationoutcome.html) whose diagnostics
/// say where it is.
fn as_outcome(name: &str, issue: &Issue) -> Value {
    let mut outcome = json!({
        "severity": issue.severity.as_str(),
        "code": issue.rule.issue_type().as_str(),
        "details": {
            "coding": [{ "code": issue.rule.code(), "display": issue.rule.title() }],
            "text": issue.message(),
        },
        "diagnostics": format!("{name}:{}:{}", issue.line, issue.column),
    });
    if !issue.expression.is_empty() {
        outcome["expression"] = json!([issue.expression]);
    }
    outcome
}

fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A line on the terminal that says how far the work is.
struct Progress {
    shown: bool,
    next: Instant,
}

impl Progress {
    fn new() -> Self {
        Self {
            shown: false,
            next: Instant::now() + PATIENCE,
        }
    }

    fn show(&mut self, documents: u64, files: u64, errors: u64) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + TICK;
        self.shown = true;
        // That a terminal cannot be written is no reason to stop checking.
        let _ = write!(
            io::stderr(),
            "{CLEAR_LINE}checked {} in {}, {} …",
            counted(documents, "resource"),
            counted(files, "file"),
            counted(errors, "error")
        );
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }
}
