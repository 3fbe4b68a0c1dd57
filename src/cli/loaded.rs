//! What `--fixtures` loaded and what it did not, said in the log.
//!
//! Only places and rules are said, since what was found there is part of a
//! record: `validate` shows it to whoever asks.

use std::{collections::BTreeMap, path::Path};

use crate::client::fixtures::{InvalidFixture, LeftOut, LoadReport};

/// Lines that are said of each kind; the rest is counted.
const MAX_LINES: usize = 20;

/// Logs a report.
pub(super) fn log(report: &LoadReport) {
    tracing::info!(
        "loaded {} resource(s) of {} type(s) from {} file(s)",
        report.resources,
        report.by_type.len(),
        report.files
    );
    log_invalid(&report.invalid);
    log_left_out(&report.left_out);
    for duplicate in &report.duplicates {
        tracing::debug!("{}: has a duplicate", duplicate.path.display());
    }
    if !report.duplicates.is_empty() {
        tracing::warn!(
            "left out {} resource(s) whose type and id another one has already",
            report.duplicates.len()
        );
    }
}

/// One line a file: its first error.
fn log_invalid(invalid: &[InvalidFixture]) {
    let mut files: BTreeMap<&Path, (&InvalidFixture, usize)> = BTreeMap::new();
    for fixture in invalid {
        let (_, count) = files.entry(&fixture.path).or_insert((fixture, 0));
        *count += 1;
    }
    for (path, (first, count)) in files.iter().take(MAX_LINES) {
        let issue = &first.issue;
        let gap = if issue.expression.is_empty() { "" } else { " " };
        let more = and_more(*count);
        tracing::warn!(
            "not served: {}:{}:{}: {}[{}]{gap}{}: expected {}{more}",
            path.display(),
            issue.line,
            issue.column,
            issue.severity,
            issue.rule.code(),
            issue.expression,
            issue.expected,
        );
    }
    if files.len() > MAX_LINES {
        tracing::warn!(
            "not served: resources with errors in {} more file(s)",
            files.len() - MAX_LINES
        );
    }
    if !files.is_empty() {
        tracing::warn!("`fhir-mcp-server validate PATH` shows every error");
    }
}

/// One line a reason; every single file at `debug`.
fn log_left_out(left_out: &[LeftOut]) {
    let mut reasons: BTreeMap<&str, (&LeftOut, usize)> = BTreeMap::new();
    for item in left_out {
        tracing::debug!("left out {item}");
        let (_, count) = reasons.entry(&item.reason).or_insert((item, 0));
        *count += 1;
    }
    for (first, count) in reasons.values().take(MAX_LINES) {
        tracing::info!("left out {first}{}", and_more(*count));
    }
    if reasons.len() > MAX_LINES {
        tracing::info!("left out more, for {} reasons", reasons.len() - MAX_LINES);
    }
}

fn and_more(count: usize) -> String {
    match count - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}
