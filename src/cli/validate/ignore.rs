//! `--ignore FILE`: issues that are known and accepted for a while.
//!
//! A line is an entry: rule, path, date and reason, with blanks between. Lines
//! that begin with `#` are comments.
//!
//! ```text
//! # rule            path                    until       reason
//! required-binding  Patient.contact.gender  2027-01-31  the old system is replaced then
//! unknown-element   **.meta.*               2027-06-30  an extension of the vendor
//! ```
//!
//! The rule is a code or `*`. The path is FHIRPath without indexes; `*` stands
//! for one name or a part of it, `**` for any number of names. From the day after
//! the date on, the entry counts no more.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use globset::{GlobBuilder, GlobMatcher};
use time::{Date, Month, OffsetDateTime};

use crate::model::Issue;

/// The entries of all ignore files.
#[derive(Debug, Default)]
pub struct Ignored {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// File and line, for people.
    place: String,
    code: String,
    path: GlobMatcher,
    until: Date,
    expired: bool,
    used: AtomicBool,
}

/// An ignore file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// It cannot be read.
    #[error("cannot read `{}`: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A line is no entry.
    #[error("{place}: {problem}; a line is: RULE PATH DATE REASON, the date as 2027-01-31")]
    Line {
        /// File and line.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Ignored {
    /// Reads ignore files.
    ///
    /// # Errors
    /// [`IgnoreError`] for the first file or line that cannot be used.
    pub fn read(files: &[PathBuf]) -> Result<Self, IgnoreError> {
        let today = OffsetDateTime::now_utc().date();
        let mut entries = Vec::new();
        for path in files {
            let text = fs::read_to_string(path).map_err(|error| IgnoreError::Read {
                path: path.clone(),
                error,
            })?;
            add_entries(&mut entries, path, &text, today)?;
        }
        Ok(Self { entries })
    }

    /// Whether an entry accepts this issue; it is then marked as used.
    pub fn matches(&self, issue: &Issue) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let path = as_file_path(&without_indexes(&issue.expression));
        let mut accepted = false;
        for entry in self.entries.iter().filter(|entry| !entry.expired) {
            let code = entry.code == "*" || entry.code == issue.rule.code();
            if code && entry.path.is_match(&path) {
                entry.used.store(true, Ordering::Relaxed);
                accepted = true;
            }
        }
        accepted
    }

    /// What is to be said of entries that did nothing.
    pub fn complaints(&self) -> Vec<String> {
        let idle = self.entries.iter();
        let idle = idle.filter(|entry| !entry.used.load(Ordering::Relaxed));
        idle.map(|entry| match entry.expired {
            true => format!("{}: counted until {} only", entry.place, entry.until),
            false => format!("{}: no issue is like this any more", entry.place),
        })
        .collect()
    }
}

/// The path without its indexes: `Patient.name.given`.
pub fn without_indexes(expression: &str) -> String {
    let mut path = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once('[') {
        path.push_str(before);
        match after.split_once(']') {
            Some((_, after)) => rest = after,
            None => rest = "",
        }
    }
    path.push_str(rest);
    path
}

/// Globs work on file names: a dot is a slash there.
fn as_file_path(path: &str) -> String {
    path.replace('.', "/")
}

fn add_entries(
    entries: &mut Vec<Entry>,
    file: &Path,
    text: &str,
    today: Date,
) -> Result<(), IgnoreError> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{number}", file.display());
        match entry(line, &place, today) {
            Ok(entry) => entries.push(entry),
            Err(problem) => return Err(IgnoreError::Line { place, problem }),
        }
    }
    Ok(())
}

fn entry(line: &str, place: &str, today: Date) -> Result<Entry, String> {
    let mut words = line.split_whitespace();
    let code = words.next().ok_or("no rule")?;
    let path = words.next().ok_or("no path")?;
    let until = words.next().ok_or("no date until which it counts")?;
    let until = date(until).ok_or_else(|| format!("`{until}` is no date"))?;
    words.next().ok_or("no reason")?;
    let path = GlobBuilder::new(&as_file_path(&without_indexes(path)))
        .literal_separator(true)
        .build()
        .map_err(|error| format!("`{path}` is no pattern: {}", error.kind()))?;
    Ok(Entry {
        place: place.to_owned(),
        code: code.to_owned(),
        path: path.compile_matcher(),
        until,
        expired: until < today,
        used: AtomicBool::new(false),
    })
}

/// A date of the form 2027-01-31.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    let month = Month::try_from(month).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    parts.next().is_none().then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rule, Severity};

    fn issue(rule: Rule, expression: &str) -> Issue {
        Issue {
            rule,
            severity: Severity::Error,
            expression: expression.to_owned(),
            offset: 0,
            line: 1,
            column: 1,
            expected: String::new(),
            found: String::new(),
        }
    }

    fn ignored(text: &str) -> Result<Ignored, IgnoreError> {
        let mut entries = Vec::new();
        let today = date("2026-11-25").unwrap();
        add_entries(&mut entries, Path::new("known.txt"), text, today)?;
        Ok(Ignored { entries })
    }

    #[test]
    fn paths_are_patterns_without_indexes() {
        for (pattern, expression, matches) in [
            ("Patient.contact.gender", "Patient.contact[3].gender", true),
            (
                "Patient.contact[0].gender",
                "Patient.contact[3].gender",
                true,
            ),
            ("Patient.contact", "Patient.contact[3].gender", false),
            ("Patient.*.gender", "Patient.contact[3].gender", true),
            ("Patient.*", "Patient.contact[3].gender", false),
            ("Patient.**", "Patient.contact[3].gender", true),
            ("**.gender", "Patient.contact[3].gender", true),
            ("**.gender", "Bundle.entry[0].resource.gender", true),
            ("*.gender", "Patient.gender", true),
            ("**", "", true),
            ("{Patient,Person}.gender", "Person.gender", true),
        ] {
            let line = format!("required-binding {pattern} 2027-01-01 a reason");
            let ignored = ignored(&line).unwrap();
            let found = ignored.matches(&issue(Rule::RequiredBinding, expression));
            assert_eq!(found, matches, "{pattern} {expression}");
            assert!(!ignored.matches(&issue(Rule::Required, expression)));
        }
    }

    #[test]
    fn entries_end_and_idle_ones_are_named() {
        let text = "# known\n\n* Patient.gender 2026-11-24 over\n* Patient.id 2026-11-25 today\n* Group 2027-01-01 idle\n";
        let ignored = ignored(text).unwrap();
        assert!(!ignored.matches(&issue(Rule::Required, "Patient.gender")));
        assert!(ignored.matches(&issue(Rule::Required, "Patient.id")));
        let expected = [
            "known.txt:3: counted until 2026-11-24 only",
            "known.txt:5: no issue is like this any more",
        ];
        assert_eq!(ignored.complaints(), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, problem) in [
            ("required", "no path"),
            ("required Patient.id", "no date"),
            ("required Patient.id someday x", "`someday` is no date"),
            ("required Patient.id 2027-02-30 x", "is no date"),
            ("required Patient.id 2027-02-28-1 x", "is no date"),
            ("required Patient.id 2027-02-28", "no reason"),
            ("required Patient.{id 2027-02-28 x", "is no pattern"),
        ] {
            let error = ignored(line).unwrap_err().to_string();
            assert!(error.starts_with("known.txt:1: "), "{error}");
            assert!(error.contains(problem), "{error}");
        }
    }
}
