//! `validate`: forms of output, and what is shown.

use std::{fs, path::Path, process::Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{self, PATIENT, stderr, stdout};

/// Text that every format must carry safely.
const HOSTILE: &str = r#"{"resourceType":"Patient","id":"odd","gender":"<a, \"b\"> & ]]> \u0001"}"#;
const BAD_GENDER: &str = r#"{"resourceType":"Patient","id":"two","gender":"x"}"#;

fn validate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program::program(folder);
    program::run(command.arg("validate").args(arguments), b"")
}

/// A good file, a bad one, lines with both, and a name that needs care.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("good.json"), PATIENT).unwrap();
    fs::write(path.join("bad.json"), BAD_GENDER).unwrap();
    fs::write(path.join("a & b, #1.json"), HOSTILE).unwrap();
    let lines = format!("{PATIENT}\n{BAD_GENDER}\n{BAD_GENDER}\n{PATIENT}\n{HOSTILE}\n{{");
    fs::write(path.join("lines.ndjson"), lines).unwrap();
    folder
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stdout(output)))
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/reports")
        .join(name)
}

#[test]
fn sarif_is_valid_by_its_schema() {
    let schema = fs::read_to_string(fixture("sarif-schema-2.1.0.json")).unwrap();
    // A bracket that closes nothing stands for itself; only some libraries know.
    let schema = schema.replace("[a-zA-Z]{2}]?$", r"[a-zA-Z]{2}\\]?$");
    let schema = jsonschema::draft7::new(&serde_json::from_str(&schema).unwrap()).unwrap();
    let folder = folder();
    fs::write(folder.path().join("broken.json.gz"), b"\x1f\x8b no").unwrap();
    for paths in [&["good.json"][..], &["."], &["bad.json", "broken.json.gz"]] {
        let arguments = [&["--format", "sarif"], paths].concat();
        let report = json(&validate(folder.path(), &arguments));
        let errors: Vec<String> = schema
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn sarif_says_what_viewers_show() {
    let folder = folder();
    let report = json(&validate(folder.path(), &["--format", "sarif", "."]));
    let run = &report["runs"][0];
    let results = run["results"].as_array().unwrap();
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(results.len(), 6);
    let mut fingerprints = Vec::new();
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        assert_eq!(rule["defaultConfiguration"]["level"], "error");
        assert!(
            !rule["shortDescription"]["text"]
                .as_str()
                .unwrap()
                .is_empty()
        );
        fingerprints.push(result["partialFingerprints"]["issue/v1"].to_string());
    }
    let place = &results[0]["locations"][0];
    let physical = &place["physicalLocation"];
    let name = physical["artifactLocation"]["uri"].as_str().unwrap();
    assert!(name.ends_with("a%20&%20b,%20%231.json"), "{name}");
    assert_eq!(physical["region"]["startLine"], 1);
    assert_eq!(
        place["logicalLocations"][0]["fullyQualifiedName"],
        "Patient.gender"
    );
    // The two lines with one resource say the same of it.
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 5);
}

#[test]
fn junit_has_a_case_for_each_resource() {
    let folder = folder();
    let output = validate(folder.path(), &["--format", "junit", "."]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert_eq!(text.matches("<testsuite ").count(), 4);
    assert_eq!(text.matches("<testcase ").count(), 9);
    assert_eq!(text.matches("<failure ").count(), 6);
    let suite = "<testsuite name=\"./lines.ndjson\" tests=\"6\" failures=\"4\" errors=\"0\">";
    assert!(text.contains(suite), "{text}");
    assert!(text.contains("<testcase name=\"line 1: Patient/one\" classname=\"./lines.ndjson\"/>"));
    assert!(text.contains("name=\"./a &amp; b, #1.json\""));
    assert!(well_formed(&text), "{text}");

    fs::write(folder.path().join("broken.json.gz"), b"\x1f\x8b no").unwrap();
    let output = validate(folder.path(), &["--format", "junit", "broken.json.gz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("<error message="));
    assert!(well_formed(&stdout(&output)));
}

/// Whether all elements nest and no text has a letter that XML does not allow.
fn well_formed(xml: &str) -> bool {
    let mut open = Vec::new();
    let body = xml.split_once("?>").unwrap().1;
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let entities = ["&lt;", "&gt;", "&amp;", "&quot;", "&#9;", "&#10;", "&#13;"];
        let plain = entities
            .iter()
            .fold(part.to_owned(), |text, entity| text.replace(entity, ""));
        if plain.contains('&') || text.contains('>') || part.contains('\u{1}') {
            return false;
        }
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) if open.pop() != Some(name.to_owned()) => return false,
            Some(_) => {}
            None if tag.ends_with('/') => {}
            None => open.push(name.to_owned()),
        }
    }
    open.is_empty()
}

/// With `XMLLINT` naming the program, the schema of Jenkins decides.
#[test]
fn junit_is_valid_by_its_schema() {
    let Ok(xmllint) = std::env::var("XMLLINT") else {
        return;
    };
    let folder = folder();
    fs::write(folder.path().join("broken.json.gz"), b"\x1f\x8b no").unwrap();
    for arguments in [&["good.json"][..], &["."], &["--max-messages", "1", "."]] {
        let arguments = [&["--format", "junit"], arguments].concat();
        let report = folder.path().join("report.xml");
        fs::write(&report, validate(folder.path(), &arguments).stdout).unwrap();
        let mut check = std::process::Command::new(&xmllint);
        check.args(["--noout", "--schema"]);
        let output = check.arg(fixture("junit-10.xsd")).arg(&report).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn csv_is_read_back_as_it_was() {
    let folder = folder();
    let text = stdout(&validate(folder.path(), &["--format", "csv", "."]));
    let rows = rows(&text);
    assert_eq!(rows.len(), 7);
    assert_eq!(rows[0].len(), 11);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    assert_eq!(rows[1][0], "./a & b, #1.json");
    assert_eq!(rows[1][5], "required-binding");
    assert_eq!(rows[1][7], "Patient/odd");
    assert!(rows[1][10].contains("<a, "), "{}", rows[1][10]);
    let empty = stdout(&validate(folder.path(), &["--format", "csv", "good.json"]));
    assert_eq!(empty.lines().count(), 1);
}

/// Records and fields of CSV as RFC 4180 has it.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(letters.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    rows
}

#[test]
fn ndjson_is_one_issue_a_line() {
    let folder = folder();
    let text = stdout(&validate(folder.path(), &["--format", "ndjson", "."]));
    let issues: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let whole = json(&validate(folder.path(), &["--format", "json", "."]));
    assert_eq!(whole["issues"], Value::Array(issues));
    assert_eq!(whole["summary"]["rules"]["required-binding"], 5);
}

#[test]
fn lines_name_their_resource() {
    let folder = folder();
    let text = stdout(&validate(folder.path(), &["--no-group", "lines.ndjson"]));
    let start = "lines.ndjson:2:47: error[required-binding] Patient.gender of Patient/two: ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("\nlines.ndjson:6:"), "{text}");
    let text = stdout(&validate(folder.path(), &["bad.json"]));
    assert!(!text.contains("of Patient/two"), "{text}");
}

#[test]
fn repeats_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let names = vec!["{\"use\":\"formal\"}"; 43].join(",\n");
    let patient = format!("{{\"resourceType\":\"Patient\",\"gender\":\"x\",\"name\":[\n{names}]}}");
    fs::write(folder.path().join("a.json"), patient).unwrap();
    let text = stdout(&validate(folder.path(), &["a.json"]));
    let line = "a.json:2:8: error[required-binding] Patient.name.use: ";
    let line = text.lines().find(|text| text.starts_with(line)).unwrap();
    assert!(line.ends_with(" ×43 (also at 3:8, 4:8, 5:8, …)"), "{line}");
    assert!(text.contains("44 errors"), "{text}");
    let text = stdout(&validate(folder.path(), &["--no-group", "a.json"]));
    assert_eq!(text.lines().count(), 44 + 3);
}

#[test]
fn messages_end_and_all_are_counted() {
    let folder = folder();
    let text = stdout(&validate(folder.path(), &["--max-messages", "2", "."]));
    assert_eq!(text.matches(": error[").count(), 2);
    assert!(
        text.contains("4 more issues beyond --max-messages."),
        "{text}"
    );
    assert!(text.contains(": 6 errors, 0 warnings."), "{text}");
    for format in ["json", "ndjson", "csv", "sarif", "operationoutcome"] {
        let arguments = ["--format", format, "--max-messages", "2", "."];
        let text = stdout(&validate(folder.path(), &arguments));
        assert_eq!(
            text.matches("Patient.gender").count() / 2,
            if format == "sarif" { 2 } else { 1 }
        );
    }
    let arguments = ["--format", "junit", "--max-messages", "0", "."];
    let text = stdout(&validate(folder.path(), &arguments));
    assert_eq!(text.matches("<failure ").count(), 6);
}

#[test]
fn the_summary_can_stand_alone() {
    let folder = folder();
    let output = validate(folder.path(), &["--summary-only", "."]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.starts_with("Checked 9 resources in 4 files: 6 errors"),
        "{text}"
    );
    assert!(
        text.contains("By rule:\n  required-binding: 5\n  json-syntax: 1\n"),
        "{text}"
    );
    assert!(text.contains("  ./bad.json: 1 error\n"), "{text}");
    let whole = json(&validate(
        folder.path(),
        &["--summary-only", "--format", "json", "."],
    ));
    assert_eq!(whole["issues"], Value::Array(Vec::new()));
    assert_eq!(whole["summary"]["errors"], 6);
    let output = validate(folder.path(), &["--summary-only", "--format", "csv", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--summary-only"));
}

#[test]
fn nothing_is_coloured_but_on_a_terminal() {
    let folder = folder();
    assert!(!stdout(&validate(folder.path(), &["bad.json"])).contains('\x1b'));
}

#[test]
fn an_ignore_file_takes_issues_out_until_its_day() {
    let folder = folder();
    let known = "# what we know\n\
        required-binding Patient.gender 2999-01-31 the old system\n\
        json-syntax ** 2020-01-31 was to be mended\n\
        * Group.** 2999-01-31 nothing is like this\n";
    fs::write(folder.path().join("known.txt"), known).unwrap();
    let output = validate(folder.path(), &["--ignore", "known.txt", "."]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains(": 1 error, 0 warnings, 5 ignored."), "{text}");
    let said = stderr(&output);
    assert!(
        said.contains("known.txt:3: counted until 2020-01-31 only"),
        "{said}"
    );
    assert!(
        said.contains("known.txt:4: no issue is like this any more"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2);

    let output = validate(folder.path(), &["--ignore", "known.txt", "bad.json"]);
    assert_eq!(output.status.code(), Some(0));
    fs::write(
        folder.path().join("known.txt"),
        "required-binding Patient.gender",
    )
    .unwrap();
    for ignore in ["known.txt", "missing.txt"] {
        let output = validate(folder.path(), &["--ignore", ignore, "bad.json"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(ignore));
    }
}

#[test]
fn an_unknown_profile_or_package_is_no_run() {
    let folder = folder();
    let profile = ["--profile", "https://example.org/none", "good.json"];
    let package = ["--package", "none.tgz", "good.json"];
    for arguments in [profile, package] {
        let output = validate(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(arguments[1]));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = folder();
    let one = validate(folder.path(), &["-j", "1", "."]);
    let four = validate(folder.path(), &["-j", "4", "."]);
    assert_eq!(stdout(&one), stdout(&four));
    assert_eq!(
        validate(folder.path(), &["-j", "0", "."]).status.code(),
        Some(2)
    );
}
