//! `validate --watch`, and `explain`.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::support::program::{self, PATIENT, stderr, stdout};

/// A process that is ended with the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next line that has this text; a minute is for a busy machine.
fn wait_for(lines: &Receiver<String>, text: &str) -> String {
    loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect(text);
        if line.contains(text) {
            return line;
        }
    }
}

#[test]
fn a_change_is_checked_at_once_and_a_new_file_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.json"), PATIENT).unwrap();
    let mut child = program::program(path)
        .args(["validate", "--watch", "--format", "csv", "."])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let _watching = Watching(child);
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let line = wait_for(&lines, "[run 1]");
    assert!(
        line.contains("0 errors, 0 warnings in 1 resource;"),
        "{line}"
    );
    fs::write(
        path.join("a.json"),
        "{\"resourceType\":\"Patient\",\"x\":1}",
    )
    .unwrap();
    wait_for(&lines, "1 error (1 more), 0 warnings in 1 resource;");
    fs::write(path.join("b.json"), PATIENT).unwrap();
    wait_for(&lines, "1 error, 0 warnings in 2 resources;");
    fs::remove_file(path.join("a.json")).unwrap();
    wait_for(&lines, "0 errors (1 fewer), 0 warnings in 1 resource;");
    fs::remove_file(path.join("b.json")).unwrap();
    wait_for(&lines, "no file to check");
    fs::write(path.join("b.json"), PATIENT).unwrap();
    wait_for(&lines, "0 errors, 0 warnings in 1 resource;");
}

#[test]
fn standard_input_cannot_be_watched() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::program(folder.path());
    let output = program::run(command.args(["validate", "--watch", "-"]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("standard input"));
}

#[test]
fn rules_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |code: &[&str]| {
        let mut command = program::program(folder.path());
        program::run(command.arg("explain").args(code), b"")
    };
    let output = explain(&["required-binding"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.starts_with("required-binding (error, "), "{text}");
    for part in ["Why:", "Wrong:", "Right:", "https://hl7.org/fhir/R4/"] {
        assert!(text.contains(part), "{text}");
    }
    let all = stdout(&explain(&[]));
    assert!(all.contains("\nrequired-binding "), "{all}");
    let output = explain(&["required-bindings"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Did you mean required-binding"));
}
