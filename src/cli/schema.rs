//! `schema TYPE`: the JSON Schema of a resource type.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::USAGE;
use crate::model::{self, RESOURCE_TYPES, near};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The schema is JSON Schema 2020-12 and needs no other file. JSON Schema sees the shape \
of a resource, not all its rules: `validate` checks those."
)]
pub struct Arguments {
    /// A resource type or datatype of FHIR R4, for instance Patient
    #[arg(value_name = "TYPE")]
    pub resource_type: String,
}

/// Prints the schema.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(arguments: &Arguments) -> ExitCode {
    let Some(schema) = model::json_schema(&arguments.resource_type) else {
        let near = near::matches(&arguments.resource_type, RESOURCE_TYPES.iter().copied());
        let hint = match near.as_slice() {
            [] => ".".to_owned(),
            names => format!("; did you mean {}?", names.join(" or ")),
        };
        eprintln!(
            "error: `{}` is no type of FHIR R4{hint} All types: https://hl7.org/fhir/R4/resourcelist.html",
            arguments.resource_type
        );
        return ExitCode::from(USAGE);
    };
    match writeln!(io::stdout(), "{}", schema.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads through a pipe may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::from(USAGE)
        }
    }
}
