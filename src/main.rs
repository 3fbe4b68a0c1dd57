//! The program `fhir-mcp-server`; everything it does is in the library.

use std::process::ExitCode;

use clap::Parser;
use fhir_mcp_server::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
