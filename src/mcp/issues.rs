//! Issues as a model reads them: those that say the same in one group, with the
//! places where it was found.

use std::collections::{HashMap, hash_map::Entry};

use sha2::{Digest, Sha256};

use super::json::Json;
use crate::model::{Issue, Severity};

/// Groups that an answer shows at most.
pub(crate) const MAX_GROUPS: usize = 20;

/// Places that a group names at most.
const MAX_PLACES: usize = 3;

/// Bytes of a fingerprint.
const FINGERPRINT: usize = 6;

/// Characters of a message at most: what was found may be long.
const MESSAGE_LENGTH: usize = 240;

/// Issues with the same rule, severity and message.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// The first of them.
    pub(crate) first: &'a Issue,
    /// Their expressions without repetition, at most three.
    pub(crate) places: Vec<&'a str>,
    /// How many they are.
    pub(crate) count: usize,
}

/// The issues in groups, errors first, else in document order.
pub(crate) fn group(issues: &[Issue]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for issue in issues {
        let same = (issue.rule, issue.severity, &issue.expected, &issue.found);
        match known.entry(same) {
            Entry::Occupied(index) => {
                let Some(group) = groups.get_mut(*index.get()) else {
                    continue;
                };
                group.count += 1;
                if group.places.len() < MAX_PLACES && !group.places.contains(&&*issue.expression) {
                    group.places.push(&issue.expression);
                }
            }
            Entry::Vacant(index) => {
                index.insert(groups.len());
                groups.push(Group {
                    first: issue,
                    places: vec![&issue.expression],
                    count: 1,
                });
            }
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.first.severity));
    groups
}

/// Groups for an answer of ours: severity, rule, where, expected, found, and
/// with `positions` line and column.
pub(crate) fn listed(issues: &[Issue], limit: usize, positions: bool) -> Json {
    let groups = group(issues);
    let hidden = groups.len().saturating_sub(limit);
    let mut list: Vec<Json> = groups
        .iter()
        .take(limit)
        .map(|group| listed_group(group, positions))
        .collect();
    if hidden > 0 {
        list.push(Json::object([(
            "note",
            Json::text(format!("{hidden} more kinds of issues are not shown")),
        )]));
    }
    Json::Array(list)
}

/// The groups of an answer behind those that were given already, and how many
/// remain behind these.
pub(crate) fn page(issues: &[Issue], offset: usize, positions: bool) -> (Json, usize) {
    let groups = group(issues);
    let given = groups.iter().skip(offset).take(MAX_GROUPS);
    let list = given.map(|group| listed_group(group, positions)).collect();
    let remaining = groups.len().saturating_sub(offset + MAX_GROUPS);
    (Json::Array(list), remaining)
}

/// Tells the issues of one document from those of another.
pub(crate) fn fingerprint(issues: &[Issue]) -> String {
    let mut digest = Sha256::new();
    for issue in issues {
        digest.update(issue.to_string());
        digest.update([0]);
    }
    let bytes = digest.finalize();
    let bytes = bytes.iter().take(FINGERPRINT);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn listed_group(group: &Group<'_>, positions: bool) -> Json {
    let issue = group.first;
    let mut line = Json::object([
        ("severity", Json::text(issue.severity.as_str())),
        ("code", Json::text(issue.rule.code())),
        ("expression", Json::text(group.places.join(", "))),
        ("expected", Json::text(shortened(&issue.expected))),
        ("found", Json::text(shortened(&issue.found))),
    ]);
    if group.count > 1 {
        line.set("count", Json::Number(group.count.to_string()));
    }
    if positions {
        line.set("line", Json::Number(issue.line.to_string()));
        line.set("column", Json::Number(issue.column.to_string()));
    }
    line
}

/// Groups as the `issue` list of an OperationOutcome.
pub(crate) fn outcome(issues: &[Issue], limit: usize) -> Vec<Json> {
    let groups = group(issues);
    let hidden = groups.len().saturating_sub(limit);
    let mut list: Vec<Json> = groups.iter().take(limit).map(outcome_issue).collect();
    if hidden > 0 {
        list.push(Json::object([
            ("severity", Json::text("information")),
            ("code", Json::text("informational")),
            (
                "diagnostics",
                Json::text(format!("{hidden} more kinds of issues are not shown")),
            ),
        ]));
    }
    list
}

fn outcome_issue(group: &Group<'_>) -> Json {
    let issue = group.first;
    let times = match group.count {
        1 => String::new(),
        count => format!(" ({count} times)"),
    };
    let message = format!(
        "{}: expected {}, found {}{times}",
        issue.rule.code(),
        shortened(&issue.expected),
        shortened(&issue.found)
    );
    let mut line = Json::object([
        ("severity", Json::text(issue.severity.as_str())),
        ("code", Json::text(issue.rule.issue_type().as_str())),
        ("diagnostics", Json::text(message)),
    ]);
    let places: Vec<Json> = group
        .places
        .iter()
        .filter(|place| !place.is_empty())
        .map(|place| Json::text(*place))
        .collect();
    if !places.is_empty() {
        line.set("expression", Json::Array(places));
    }
    line
}

/// How many issues are errors.
pub(crate) fn errors(issues: &[Issue]) -> usize {
    let errors = issues.iter().filter(|issue| issue.severity.is_error());
    errors.count()
}

/// How many issues are warnings.
pub(crate) fn warnings(issues: &[Issue]) -> usize {
    let warnings = issues
        .iter()
        .filter(|issue| issue.severity == Severity::Warning);
    warnings.count()
}

/// Cuts a text that is longer than a message needs.
pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= MESSAGE_LENGTH {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MESSAGE_LENGTH).collect();
    short.push('…');
    short
}
