//! Text for people: `file:line:column: severity[rule] path: message`.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, Write},
    sync::Arc,
};

use super::{
    super::{
        Arguments,
        check::Document,
        ignore::without_indexes,
        report::{File, Sink, Summary},
    },
    Output, counted,
};
use crate::model::{Issue, Severity};

/// Groups that wait for the end of their file at most; more are written early.
const MAX_GROUPS: usize = 1_000;
/// Places that a group names beside its first.
const MAX_PLACES: usize = 3;

/// Writes text. Issues of a file that say the same about the same element are
/// one line.
pub(super) struct Text {
    grouped: bool,
    summary_only: bool,
    /// Someone is watching.
    terminal: bool,
    colour: bool,
    fail_on: Severity,
    groups: Vec<Group>,
    /// Where the group of an issue stands: rule, path without indexes, message.
    known: HashMap<String, usize>,
}

struct Group {
    first: Issue,
    reference: Option<String>,
    count: u64,
    /// Line and column of the first others.
    others: Vec<(u32, u32)>,
}

impl Text {
    /// Text for a terminal or a file.
    pub(super) fn new(arguments: &Arguments, terminal: bool, colour: bool) -> Self {
        Self {
            grouped: !arguments.no_group,
            summary_only: arguments.summary_only,
            terminal,
            colour,
            fail_on: arguments.fail_on.severity(),
            groups: Vec::new(),
            known: HashMap::new(),
        }
    }

    fn add(&mut self, issue: &Issue, reference: Option<&str>) {
        let key = format!(
            "{}\0{}\0{}\0{}\0{}",
            issue.severity,
            issue.rule.code(),
            without_indexes(&issue.expression),
            issue.expected,
            issue.found
        );
        match self.known.entry(key) {
            Entry::Occupied(known) => {
                if let Some(group) = self.groups.get_mut(*known.get()) {
                    group.count += 1;
                    if group.others.len() < MAX_PLACES {
                        group.others.push((issue.line, issue.column));
                    }
                }
            }
            Entry::Vacant(new) => {
                new.insert(self.groups.len());
                self.groups.push(Group {
                    first: issue.clone(),
                    reference: reference.map(str::to_owned),
                    count: 1,
                    others: Vec::new(),
                });
            }
        }
    }

    fn write_groups(&mut self, name: &Arc<str>, sink: &mut Sink) -> io::Result<()> {
        self.known.clear();
        for group in std::mem::take(&mut self.groups) {
            if sink.admits(group.count) {
                let line = self.line(name, &group);
                writeln!(sink, "{line}")?;
            }
        }
        if self.terminal {
            sink.flush()?;
        }
        Ok(())
    }

    fn line(&self, name: &str, group: &Group) -> String {
        let issue = &group.first;
        let path = match group.count {
            1 => issue.expression.clone(),
            _ => without_indexes(&issue.expression),
        };
        let reference = match &group.reference {
            Some(reference) => format!(" of {reference}"),
            None => String::new(),
        };
        let gap = if path.is_empty() { "" } else { " " };
        format!(
            "{name}:{}:{}: {}[{}]{gap}{path}{reference}: {}{}",
            issue.line,
            issue.column,
            self.painted(issue.severity),
            issue.rule.code(),
            issue.message(),
            repeats(group)
        )
    }

    fn painted(&self, severity: Severity) -> String {
        let colour = match severity {
            Severity::Fatal | Severity::Error => 31,
            Severity::Warning => 33,
            Severity::Information => 36,
        };
        if self.colour {
            format!("\x1b[{colour}m{severity}\x1b[0m")
        } else {
            severity.to_string()
        }
    }

    fn write_failing(&self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        if summary.failing.is_empty() {
            return Ok(());
        }
        let warnings_fail = self.fail_on == Severity::Warning;
        let kind = if warnings_fail {
            "errors or warnings"
        } else {
            "errors"
        };
        writeln!(sink, "Files with {kind}:")?;
        for (name, counts) in &summary.failing {
            let errors = counted(counts.errors, "error");
            let warnings = match counts.warnings {
                warnings if warnings_fail => format!(", {}", counted(warnings, "warning")),
                _ => String::new(),
            };
            writeln!(sink, "  {name}: {errors}{warnings}")?;
        }
        Ok(())
    }
}

/// ` ×43 (also at 12:5, 19:5, 26:5, …)`.
fn repeats(group: &Group) -> String {
    if group.count == 1 {
        return String::new();
    }
    let others = group.others.iter();
    let mut others: Vec<String> = others
        .map(|(line, column)| format!("{line}:{column}"))
        .collect();
    if group.count > 1 + others.len() as u64 {
        others.push("…".to_owned());
    }
    format!(" ×{} (also at {})", group.count, others.join(", "))
}

impl Output for Text {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        if self.summary_only {
            return Ok(());
        }
        for issue in &document.issues {
            self.add(issue, document.reference_in_lines());
            if !self.grouped || self.groups.len() >= MAX_GROUPS {
                self.write_groups(&file.name, sink)?;
            }
        }
        Ok(())
    }

    fn end_file(&mut self, file: &File, sink: &mut Sink) -> io::Result<()> {
        self.write_groups(&file.name, sink)
    }

    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        if sink.hidden > 0 {
            let hidden = counted(sink.hidden, "more issue");
            writeln!(sink, "{hidden} beyond --max-messages.")?;
        }
        let counts = summary.counts;
        let mut line = format!(
            "Checked {} in {}: {}, {}",
            counted(summary.documents, "resource"),
            counted(summary.files, "file"),
            counted(counts.errors, "error"),
            counted(counts.warnings, "warning"),
        );
        if counts.information > 0 {
            line += &format!(", {}", counted(counts.information, "remark"));
        }
        if counts.ignored > 0 {
            line += &format!(", {} ignored", counts.ignored);
        }
        writeln!(sink, "{line}.")?;
        if self.summary_only && !summary.rules.is_empty() {
            writeln!(sink, "By rule:")?;
            let mut rules: Vec<_> = summary.rules.iter().collect();
            rules.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (rule, count) in rules {
                writeln!(sink, "  {rule}: {count}")?;
            }
        }
        self.write_failing(summary, sink)
    }
}
