//! The binary: exit codes, output, subcommands.

use std::{fs, process::Output};

use crate::support::program::{self, PATIENT, stderr, stdout};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::program(folder.path());
    command.args(arguments).envs(variables.iter().copied());
    program::run(&mut command, b"")
}

#[test]
fn a_start_without_configuration_ends_with_2_and_one_sentence() {
    let output = run(&[], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = stderr(&output);
    assert_eq!(message.lines().count(), 1);
    assert!(message.contains("FHIR_SERVER_BASE_URL") && message.contains("--fixtures"));
}

#[test]
fn unknown_flags_and_choices_end_with_2() {
    for arguments in [
        &["--transport", "carrier-pigeon"][..],
        &["--log-level", "loud"],
        &["--no-such-flag"],
        &["validate"],
        &["schema"],
    ] {
        assert_eq!(run(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_working_directory_may_hold_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "FHIR_MCP_PORT=no port\n").unwrap();
    let mut command = program::program(folder.path());
    let output = program::run(command.args(["--fixtures", "."]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("FHIR_MCP_PORT"));
}

#[test]
fn help_names_every_variable_and_every_default() {
    let help = stdout(&run(&["--help"], &[]));
    for text in [
        "FHIR_SERVER_BASE_URL",
        "FHIR_SERVER_ACCESS_TOKEN",
        "FHIR_SERVER_CLIENT_ID",
        "FHIR_SERVER_CLIENT_SECRET",
        "FHIR_SERVER_SCOPES",
        "FHIR_SERVER_DISABLE_AUTHORIZATION",
        "FHIR_MCP_HOST",
        "FHIR_MCP_PORT",
        "FHIR_MCP_SERVER_URL",
        "FHIR_MCP_REQUEST_TIMEOUT",
        "[default: streamable-http]",
        "[default: INFO]",
        "Examples:",
    ] {
        assert!(help.contains(text), "{text}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = concat!("fhir-mcp-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(stdout(&run(&["--version"], &[])), version);
}

#[test]
fn a_port_that_is_taken_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("patient.json"), PATIENT).unwrap();
    let mut command = program::program(folder.path());
    command
        .args(["--fixtures", "patient.json"])
        .envs([("FHIR_MCP_HOST", "127.0.0.1"), ("FHIR_MCP_PORT", &port)]);
    let output = program::run(&mut command, b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("FHIR_MCP_PORT"));
}

#[test]
fn schema_prints_the_schema_of_a_type() {
    let output = run(&["schema", "Patient"], &[]);
    assert!(output.status.success());
    let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let unknown = run(&["schema", "Pateint"], &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("`Pateint`"));
    assert!(stderr(&unknown).contains("did you mean Patient?"));
}
