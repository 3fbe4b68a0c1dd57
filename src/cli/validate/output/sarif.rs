//! [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html),
//! which code scanning services and viewers read.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{
        check::Document,
        report::{File, Sink, Summary},
    },
    Output,
};
use crate::{
    cli::explain,
    model::{Issue, Rule, Severity},
};

const START: &str = "{\"$schema\":\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"columnKind\":\"unicodeCodePoints\",\"results\":[";
/// Bytes of a fingerprint.
const FINGERPRINT: usize = 16;
/// What a path in a URI may not hold; `:` would make the first part a scheme.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Writes one run. The results come before the rules, since only then it is
/// known which rules they need.
#[derive(Default)]
pub(super) struct Sarif {
    begun: bool,
    written: bool,
    rules: Vec<Rule>,
    indexes: HashMap<&'static str, usize>,
}

impl Sarif {
    fn begin(&mut self, sink: &mut Sink) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            sink.write_all(START.as_bytes())?;
        }
        Ok(())
    }

    fn index(&mut self, rule: Rule) -> usize {
        *self.indexes.entry(rule.code()).or_insert_with(|| {
            self.rules.push(rule);
            self.rules.len() - 1
        })
    }

    fn result(&mut self, file: &File, document: &Document, issue: &Issue) -> Value {
        json!({
            "ruleId": issue.rule.code(),
            "ruleIndex": self.index(issue.rule),
            "level": level(issue.severity),
            "message": { "text": message(issue) },
            "locations": [location(file, document, issue)],
            "partialFingerprints": { "issue/v1": fingerprint(file, document, issue) },
        })
    }
}

impl Output for Sarif {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)?;
        for issue in &document.issues {
            if sink.admits(1) {
                let gap = if self.written { ",\n" } else { "\n" };
                self.written = true;
                let result = self.result(file, document, issue);
                write!(sink, "{gap}{result}")?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)?;
        let rules: Vec<Value> = self.rules.iter().map(|rule| descriptor(*rule)).collect();
        let tool = json!({ "driver": {
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        }});
        let unreadable: Vec<Value> = summary
            .unreadable
            .iter()
            .map(|(name, reason)| {
                json!({
                    "level": "error",
                    "message": { "text": format!("cannot read {name}: {reason}") },
                    "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(name) } } }],
                })
            })
            .collect();
        let invocation = json!({
            "executionSuccessful": unreadable.is_empty(),
            "toolExecutionNotifications": unreadable,
        });
        write!(
            sink,
            "\n],\"invocations\":[{invocation}],\"tool\":{tool}}}]}}\n"
        )
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
    }
}

fn message(issue: &Issue) -> String {
    match issue.expression.as_str() {
        "" => issue.message(),
        path => format!("{path}: {}", issue.message()),
    }
}

fn location(file: &File, document: &Document, issue: &Issue) -> Value {
    let mut region = json!({ "startLine": issue.line, "startColumn": issue.column });
    // A viewer has the bytes as they lie on the disk.
    if file.plain {
        region["byteOffset"] = json!(issue.offset);
    }
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&file.name) },
        "region": region,
    }});
    let mut logical = Vec::new();
    if !issue.expression.is_empty() {
        logical.push(json!({ "fullyQualifiedName": issue.expression, "kind": "element" }));
    }
    if let Some(reference) = &document.reference {
        logical.push(json!({ "fullyQualifiedName": reference, "kind": "resource" }));
    }
    if !logical.is_empty() {
        location["logicalLocations"] = json!(logical);
    }
    location
}

/// The path as a URI, relative where the path is.
fn uri(name: &str) -> String {
    let path = name.strip_prefix("./").unwrap_or(name);
    let path = match cfg!(windows) {
        true => path.replace('\\', "/"),
        false => path.to_owned(),
    };
    let encoded = utf8_percent_encode(&path, NOT_IN_PATH);
    match Path::new(name).is_absolute() {
        true => format!(
            "file://{}{encoded}",
            if path.starts_with('/') { "" } else { "/" }
        ),
        false => encoded.to_string(),
    }
}

/// The same for the same issue when other parts of the file change: without
/// line and column, as long as the resource has an id.
fn fingerprint(file: &File, document: &Document, issue: &Issue) -> String {
    let resource = match (document.line, document.reference_in_lines()) {
        (_, Some(reference)) => reference.to_owned(),
        (Some(line), None) => line.to_string(),
        (None, None) => String::new(),
    };
    // Syntax errors have no path.
    let path = match issue.expression.as_str() {
        "" => issue.line.to_string(),
        path => path.to_owned(),
    };
    let parts = [
        issue.rule.code(),
        &file.name,
        &resource,
        &path,
        &issue.expected,
        &issue.found,
    ];
    let digest = Sha256::digest(parts.join("\0").as_bytes());
    let bytes = digest.iter().take(FINGERPRINT);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// What a viewer shows about a rule.
fn descriptor(rule: Rule) -> Value {
    let mut descriptor = json!({
        "id": rule.code(),
        "shortDescription": { "text": rule.title() },
        "defaultConfiguration": { "level": level(rule.severity()) },
        "helpUri": explain::CONFORMANCE,
    });
    if let Some(entry) = explain::entry(rule.code()) {
        descriptor["helpUri"] = json!(entry.url);
        descriptor["fullDescription"] = json!({ "text": entry.what });
        descriptor["help"] = json!({ "text": format!("{} {}", entry.what, entry.why) });
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("./a b/ü#1.json"), "a%20b/%C3%BC%231.json");
        assert_eq!(uri("c:d.json"), "c%3Ad.json");
        #[cfg(unix)]
        assert_eq!(uri("/a/b.json"), "file:///a/b.json");
    }
}
