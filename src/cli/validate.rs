//! `validate PATH…`: checks files against FHIR R4.

use std::{path::PathBuf, process::ExitCode};

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files and folders; `-` for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
}

/// Checks the files.
pub fn run(_arguments: &Arguments) -> ExitCode {
    ExitCode::SUCCESS
}
