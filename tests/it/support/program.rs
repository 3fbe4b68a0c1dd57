//! The binary as a process, without the environment of the test.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// A patient to serve or to check.
pub(crate) const PATIENT: &str = r#"{"resourceType":"Patient","id":"one","active":true}"#;

/// The binary in a folder, with no variable set.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-mcp-server"));
    command.env_clear().current_dir(folder);
    command
}

/// Runs a command to its end with this standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A process that ends early closes its input, which is no fault of it.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
