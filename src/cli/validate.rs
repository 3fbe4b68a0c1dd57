//! `validate PATH…`: checks files against FHIR R4.
//!
//! One thread reads, as many as wanted check, one writes, in the order of the
//! input. At most a few documents for each thread are in memory at once, so a
//! file of newline-delimited resources may be of any size.

use std::{io, num::NonZero, path::PathBuf, process::ExitCode};

use clap::ValueEnum;

use self::{
    check::{Checker, check_all},
    ignore::{IgnoreError, Ignored},
    input::{InputError, Inputs},
    output::Format,
    report::{Report, Summary},
};
use super::USAGE;
use crate::{
    model::Severity,
    validation::{self, PackageError, Validator},
};

pub mod check;
pub mod ignore;
pub mod input;
pub mod jobs;
pub mod output;
mod progress;
pub mod report;
mod watch;

/// Arguments of `validate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Folders are searched for .json, .ndjson and .jsonl files, and for each with .gz. Files that are named \
are read whatever their name.

A line of an ignore file is an entry: rule code (or *), path, last day and reason, for instance
  required-binding  Patient.contact.gender  2027-01-31  the old system is replaced then
The path is FHIRPath without indexes; * stands for one name, ** for any number.

`fhir-mcp-server explain CODE` says what a rule asks for and why.

Exit codes: 0 nothing at or above --fail-on; 1 something; 2 wrong usage, or a file could not be read.")]
pub struct Arguments {
    /// Files, folders and patterns such as 'exports/*.ndjson.gz'; - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,

    /// Form of the output
    #[arg(long, value_enum, ignore_case = true, default_value_t = Format::Text)]
    pub format: Format,

    /// Least severity that is shown
    #[arg(long, value_enum, ignore_case = true, default_value_t = Level::Warning)]
    pub level: Level,

    /// Least severity that makes exit code 1
    #[arg(long, value_enum, ignore_case = true, default_value_t = FailOn::Error)]
    pub fail_on: FailOn,

    /// Messages that are shown at most; all issues are counted
    #[arg(long, value_name = "N")]
    pub max_messages: Option<u64>,

    /// Show the summary alone, with a count by rule (text and json)
    #[arg(long)]
    pub summary_only: bool,

    /// One line for each issue, also where issues of a file say the same (text)
    #[arg(long)]
    pub no_group: bool,

    /// File of issues that are known and accepted, each with a last day and a reason; repeatable
    #[arg(long, value_name = "FILE")]
    pub ignore: Vec<PathBuf>,

    /// Check again whenever a file changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,

    /// Profile that every resource must conform to; repeatable
    #[arg(long, value_name = "URL")]
    pub profile: Vec<String>,

    /// FHIR package (.tgz) with profiles and value sets; repeatable
    #[arg(long, value_name = "FILE")]
    pub package: Vec<PathBuf>,

    /// Show remarks about good practice, too
    #[arg(long)]
    pub best_practice: bool,

    /// Threads that check; by default one for each core
    #[arg(short = 'j', long, value_name = "N")]
    pub jobs: Option<NonZero<usize>>,
}

/// Least severity that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Errors alone
    Error,
    /// Errors and warnings
    Warning,
    /// Everything
    Information,
}

impl Level {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Information => Severity::Information,
        }
    }
}

/// Least severity that makes a run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
        }
    }
}

/// Why there was no run, or none to its end.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0} cannot be combined with {1}")]
    Conflict(&'static str, &'static str),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    #[error(transparent)]
    Validator(#[from] PackageError),
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// The validator that the arguments ask for: the one place where `--profile`,
/// `--package` and `--best-practice` take effect.
///
/// # Errors
/// [`PackageError`] when a profile is not known or a package cannot be used.
pub fn validator(arguments: &Arguments) -> Result<Validator, PackageError> {
    Validator::new(validation::Options {
        profiles: arguments.profile.clone(),
        packages: arguments.package.clone(),
        best_practice: arguments.best_practice,
        ..validation::Options::default()
    })
}

/// Checks the files.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = consistent(arguments) {
        eprintln!("error: {error}");
        return ExitCode::from(USAGE);
    }
    if arguments.watch {
        watch::run(arguments)
    }
    match run_once(arguments) {
        Ok(summary) if !summary.unreadable.is_empty() => ExitCode::from(USAGE),
        Ok(summary) if summary.counts.at_least(arguments.fail_on.severity()) > 0 => {
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(USAGE)
        }
    }
}

fn consistent(arguments: &Arguments) -> Result<(), RunError> {
    let has_summary = matches!(arguments.format, Format::Text | Format::Json);
    if arguments.summary_only && !has_summary {
        return Err(RunError::Conflict(
            "--summary-only",
            "a format other than text and json",
        ));
    }
    if arguments.watch && arguments.paths.iter().any(|path| path == "-") {
        return Err(RunError::Conflict("--watch", "standard input"));
    }
    Ok(())
}

/// Checks the files and reports.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn run_once(arguments: &Arguments) -> Result<Summary, RunError> {
    let inputs = Inputs::find(&arguments.paths)?;
    let validator = validator(arguments)?;
    for warning in validator.warnings() {
        eprintln!("warning: {warning}");
    }
    let checker = Checker {
        validator,
        ignored: Ignored::read(&arguments.ignore)?,
        level: arguments.level.severity(),
        fail_on: arguments.fail_on.severity(),
        all_documents: arguments.format == Format::Junit,
    };
    let mut report = Report::new(arguments, inputs.size());
    let checked = check_all(inputs, &checker, arguments.jobs, |outcome| {
        report.add(&outcome)
    });
    match checked.and_then(|()| report.finish()) {
        Ok(()) => complain(&checker.ignored),
        // Whoever reads through a pipe may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(RunError::Write(error)),
    }
    Ok(report.into_summary())
}

/// Says which entries of ignore files did nothing.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn complain(ignored: &Ignored) {
    for complaint in ignored.complaints() {
        eprintln!("warning: {complaint}");
    }
}
