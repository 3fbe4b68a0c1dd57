//! The forms of output, one a file.

use std::io::{self, IsTerminal};

use clap::ValueEnum;

use super::{
    Arguments,
    check::Document,
    report::{File, Sink, Summary},
};

mod csv;
mod json;
mod junit;
mod outcome;
mod sarif;
mod text;

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line an issue or kind of issue, and a summary
    Text,
    /// One JSON object: issues and summary
    Json,
    /// One JSON object a line for each issue, as in json; no summary
    Ndjson,
    /// One FHIR OperationOutcome
    #[value(name = "operationoutcome")]
    OperationOutcome,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML: a suite for each file, a case for each resource
    Junit,
    /// CSV (RFC 4180) with a header
    Csv,
}

/// Writes in one form. Documents come in the order of the input, all those of
/// a file before its end.
pub(super) trait Output {
    /// Writes the issues of a document.
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()>;

    /// Writes what could only be written when all of a file was known.
    fn end_file(&mut self, _file: &File, _sink: &mut Sink) -> io::Result<()> {
        Ok(())
    }

    /// Writes what comes last.
    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()>;
}

/// The output that the arguments ask for.
pub(super) fn output(arguments: &Arguments) -> Box<dyn Output> {
    match arguments.format {
        Format::Text => {
            // https://no-color.org
            let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let terminal = io::stdout().is_terminal();
            Box::new(text::Text::new(arguments, terminal, terminal && !no_colour))
        }
        Format::Json => Box::new(json::Json::new(arguments.summary_only)),
        Format::Ndjson => Box::new(json::Ndjson),
        Format::OperationOutcome => Box::new(outcome::Outcome::default()),
        Format::Sarif => Box::new(sarif::Sarif::default()),
        Format::Junit => Box::new(junit::Junit::new(arguments.fail_on.severity())),
        Format::Csv => Box::new(csv::Csv::default()),
    }
}

/// `1 error`, `2 errors`.
pub(super) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
