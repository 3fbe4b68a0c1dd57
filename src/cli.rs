//! The command line.
//!
//! Exit codes: 0 for success, 1 when the server fails or `validate` finds
//! something, 2 when flags, environment or files are not what they must be.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Flags;

mod authorization;
pub mod explain;
mod loaded;
pub mod login;
pub mod schema;
pub mod serve;
pub mod validate;

/// Exit code for flags, environment and files that are not what they must be.
pub const USAGE: u8 = 2;

/// FHIR R4 for LLM clients over the Model Context Protocol
#[derive(Debug, Parser)]
#[command(
    name = "fhir-mcp-server",
    version,
    about,
    long_about = LONG_ABOUT,
    after_help = "Use --help for the environment variables and examples.",
    after_long_help = AFTER_LONG_HELP,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; without it the server runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the server.
    #[command(flatten)]
    pub flags: Flags,
}

/// What the program does besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in at the FHIR server before an MCP client needs it
    Login(Box<login::Arguments>),
    /// Check files against FHIR R4
    Validate(validate::Arguments),
    /// Say what a rule asks for, why, and where the specification has it
    Explain(explain::Arguments),
    /// Print the JSON Schema of a resource type
    Schema(schema::Arguments),
}

impl Cli {
    /// Does what the command line asks for.
    pub fn run(self) -> ExitCode {
        match self.command {
            None => serve::run(&self.flags),
            Some(Command::Login(arguments)) => login::run(&arguments),
            Some(Command::Validate(arguments)) => validate::run(&arguments),
            Some(Command::Explain(arguments)) => explain::run(&arguments),
            Some(Command::Schema(arguments)) => schema::run(&arguments),
        }
    }
}

const LONG_ABOUT: &str = "\
FHIR R4 for LLM clients over the Model Context Protocol

Gives an LLM client tools that search and read the clinical data of a FHIR R4 server, or of files. \
Every resource is decoded and checked against FHIR R4 before it is passed on, in both directions. \
Without a subcommand the server runs.";

const AFTER_LONG_HELP: &str = "\
Environment variables (read from .env in the working directory, too; the environment wins):
  FHIR_SERVER_BASE_URL             base URL of the FHIR server; needed unless --fixtures is given
  FHIR_SERVER_ACCESS_TOKEN         bearer token for the FHIR server
  FHIR_MCP_HOST                    address to listen on [default: localhost]
  FHIR_MCP_PORT                    port to listen on; 0 takes a free one [default: 8000]
  FHIR_MCP_SERVER_URL              URL that clients use, if a proxy stands in front
  FHIR_MCP_REQUEST_TIMEOUT         seconds that a call to the FHIR server may take [default: 30]
  FHIR_MCP_ALLOWED_ORIGINS         origins of web pages that may call, separated by blanks
  FHIR_MCP_RATE_LIMIT              requests of one caller in a minute; 0: no limit [default: 1200]
  FHIR_MCP_TRUSTED_PROXIES         addresses of proxies in front, whose X-Forwarded-For is believed
  FHIR_MCP_CALL_TIMEOUT            seconds that a call of an MCP client may take [default: 300]
  FHIR_SERVER_CLIENT_ID, FHIR_SERVER_CLIENT_SECRET, FHIR_SERVER_SCOPES
                                   OAuth client at the FHIR server, and what to ask for
  FHIR_SERVER_AUTH_…               other ways in at the FHIR server: see the README
  FHIR_MCP_AUTHORIZATION_SERVER    issuer of the tokens of MCP clients
  FHIR_MCP_SEAL_KEY                secret that seals client ids and sessions, for replicas
  FHIR_SERVER_DISABLE_AUTHORIZATION
                                   true: MCP clients need no token
  NO_COLOR                         no colour on a terminal

Exit codes: 0 success; 1 the server failed, or `validate` found an error; 2 wrong flags,
environment or files.

Examples:
  fhir-mcp-server --transport stdio --fixtures fixtures/patients
  FHIR_SERVER_BASE_URL=https://fhir.example.org/r4 fhir-mcp-server
  fhir-mcp-server validate exports/*.ndjson.gz
  fhir-mcp-server validate exports --format sarif > findings.sarif
  fhir-mcp-server explain required-binding
  fhir-mcp-server schema Patient";
