//! `validate`: inputs, outputs, exit codes.

use std::{fs, io::Write, path::Path, process::Output};

use fhir_mcp_server::model::Resource;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{self, PATIENT, stderr, stdout};

const BAD_GENDER: &str = r#"{"resourceType":"Patient","gender":"x"}"#;

fn validate(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = program::program(folder);
    program::run(command.arg("validate").args(arguments), input)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with a file of every kind, hidden and foreign ones among them.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let lines = format!("{PATIENT}\r\n\n{BAD_GENDER}\n{PATIENT}");
    fs::create_dir(path.join("inner")).unwrap();
    fs::write(path.join("good.json"), PATIENT).unwrap();
    fs::write(path.join("inner/bad.json"), BAD_GENDER).unwrap();
    fs::write(path.join("inner/lines.ndjson"), &lines).unwrap();
    fs::write(path.join("inner/lines.ndjson.gz"), gzip(lines.as_bytes())).unwrap();
    fs::write(path.join("inner/one.JSON.gz"), gzip(BAD_GENDER.as_bytes())).unwrap();
    fs::write(path.join("notes.txt"), "not for us").unwrap();
    fs::write(path.join(".hidden.json"), "{").unwrap();
    folder
}

#[test]
fn a_valid_file_ends_with_0() {
    let folder = folder();
    let output = validate(folder.path(), &["good.json"], b"");
    assert_eq!(output.status.code(), Some(0));
    let expected = "Checked 1 resource in 1 file: 0 errors, 0 warnings.\n";
    assert_eq!(stdout(&output), expected);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_folder_is_searched_and_lines_are_those_of_the_file() {
    let folder = folder();
    let output = validate(folder.path(), &["inner", "good.json"], b"");
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let places: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": error[required-binding] Patient.gender: "))
        .map(|(place, _)| place)
        .collect();
    let expected = [
        "inner/bad.json:1:36",
        "inner/lines.ndjson:3:36",
        "inner/lines.ndjson.gz:3:36",
        "inner/one.JSON.gz:1:36",
    ];
    assert_eq!(places, expected);
    assert!(text.contains("Checked 9 resources in 5 files: 4 errors, 0 warnings."));
    let failing = text.split_once("Files with errors:\n").unwrap().1;
    assert_eq!(failing.lines().count(), 4);
    assert!(failing.contains("  inner/bad.json: 1 error\n"));
}

#[test]
fn patterns_match_within_one_folder_or_below() {
    let folder = folder();
    for (pattern, files) in [("inner/*.json", 1), ("**/*.json", 2), ("*/lines.*", 2)] {
        let output = validate(folder.path(), &["--format", "json", pattern], b"");
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["summary"]["files"], files, "{pattern}");
    }
}

#[test]
fn standard_input_is_one_document_or_many_and_may_be_compressed() {
    let folder = folder();
    let many = format!("{PATIENT}\n{BAD_GENDER}\n");
    let pretty = "{\n \"resourceType\": \"Patient\",\n \"gender\": \"x\"\n}";
    for (input, line) in [(BAD_GENDER, 1), (many.as_str(), 2), (pretty, 3)] {
        for bytes in [input.as_bytes().to_vec(), gzip(input.as_bytes())] {
            let output = validate(folder.path(), &["-"], &bytes);
            assert_eq!(output.status.code(), Some(1));
            assert!(stdout(&output).starts_with(&format!("-:{line}:")));
        }
    }
}

#[test]
fn json_says_everything_about_an_issue() {
    let folder = folder();
    let arguments = ["--format", "json", "inner/lines.ndjson"];
    let report: Value =
        serde_json::from_str(&stdout(&validate(folder.path(), &arguments, b""))).unwrap();
    let issue = &report["issues"][0];
    assert_eq!(issue["file"], "inner/lines.ndjson");
    assert_eq!(issue["line"], 3);
    assert_eq!(issue["column"], 36);
    assert_eq!(issue["offset"], PATIENT.len() + 3 + 35);
    assert_eq!(issue["severity"], "error");
    assert_eq!(issue["code"], "required-binding");
    assert_eq!(issue["type"], "code-invalid");
    assert_eq!(issue["expression"], "Patient.gender");
    assert_eq!(issue["found"], "the string \"x\"");
    assert_eq!(report["summary"]["resources"], 3);
    assert_eq!(report["summary"]["errors"], 1);
    assert_eq!(report["summary"]["failing"][0]["errors"], 1);
}

#[test]
fn an_operation_outcome_is_itself_valid() {
    let folder = folder();
    for (path, severity) in [("good.json", "information"), ("inner", "error")] {
        let output = validate(folder.path(), &["--format", "OperationOutcome", path], b"");
        let reading = Resource::from_slice(&output.stdout);
        assert!(reading.is_valid(), "{:?}", reading.issues);
        let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(outcome["issue"][0]["severity"], severity);
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_after_the_rest() {
    let folder = folder();
    fs::write(folder.path().join("broken.json.gz"), b"\x1f\x8b not gzip").unwrap();
    let output = validate(folder.path(), &["broken.json.gz", "good.json"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("Checked 1 resource"));
    assert!(stderr(&output).contains("broken.json.gz"));
    for argument in ["missing.json", "*.missing", "none/*.json", "a[.json"] {
        let output = validate(folder.path(), &[argument], b"");
        assert_eq!(output.status.code(), Some(2), "{argument}");
        assert!(stderr(&output).contains(argument));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn json_that_is_no_resource_gets_its_issue() {
    let folder = tempfile::tempdir().unwrap();
    for document in ["{}", "[]", "1", "", r#"{"name":"package"}"#] {
        fs::write(folder.path().join("a.json"), document).unwrap();
        let output = validate(folder.path(), &["a.json"], b"");
        assert_eq!(output.status.code(), Some(1), "{document}");
    }
}

#[test]
fn the_order_of_the_output_is_that_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for number in 0..20_000 {
        lines += &format!("{{\"resourceType\":\"Patient\",\"unknown{number}\":1}}\n");
    }
    let output = validate(folder.path(), &["-"], lines.as_bytes());
    let text = stdout(&output);
    for (number, line) in text.lines().take(20_000).enumerate() {
        assert!(line.starts_with(&format!("-:{}:", number + 1)), "{line}");
        assert!(line.contains(&format!("unknown{number}\"")), "{line}");
    }
}

/// All of it is checked in less memory than it takes. `VALIDATE_STREAM_MB` makes
/// it longer.
#[cfg(target_os = "linux")]
#[test]
fn lines_without_end_take_constant_memory() {
    let megabytes = std::env::var("VALIDATE_STREAM_MB").map_or(96, |size| size.parse().unwrap());
    let photo = "QUJD".repeat(10_000);
    let mut lines = String::new();
    for number in 0..25 {
        lines += &format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"p{number}\",\"gender\":\"x{number}\",\
             \"photo\":[{{\"data\":\"{photo}\"}}]}}\n"
        );
    }
    let mut child = program::program(Path::new("."))
        .args(["validate", "--no-group", "--format", "sarif", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for _ in 0..megabytes {
        input.write_all(lines.as_bytes()).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().nth(1));
    let peak: u64 = peak.unwrap().parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} kB");
}
