//! JUnit XML in the form that continuous integration reads: a suite for each
//! file, a case for each resource, a failure for each of its issues that fail.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{
    super::{
        check::Document,
        report::{File, Sink, Summary},
    },
    Output,
};
use crate::model::{Issue, Severity};

/// A suite says first how many cases it has, so it must be held back. One of
/// this length is closed, and the file goes on in another.
const MAX_SUITE: usize = 1024 * 1024;

/// Writes suites.
pub(super) struct Junit {
    fail_on: Severity,
    begun: bool,
    cases: String,
    tests: u64,
    failures: u64,
    /// Suites of the file so far.
    parts: u64,
}

impl Junit {
    /// Issues of this severity or a higher one are failures.
    pub(super) fn new(fail_on: Severity) -> Self {
        Self {
            fail_on,
            begun: false,
            cases: String::new(),
            tests: 0,
            failures: 0,
            parts: 0,
        }
    }

    fn begin(&mut self, sink: &mut Sink) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            sink.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n")?;
        }
        Ok(())
    }

    fn end_suite(&mut self, file: &File, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)?;
        self.parts += 1;
        let part = match self.parts {
            1 => String::new(),
            part => format!(" ({part})"),
        };
        write!(
            sink,
            "<testsuite name=\"{}{part}\" tests=\"{}\" failures=\"{}\" errors=\"0\">\n{}</testsuite>\n",
            escaped(&file.name),
            self.tests,
            self.failures,
            self.cases
        )?;
        self.cases.clear();
        self.tests = 0;
        self.failures = 0;
        Ok(())
    }
}

impl Output for Junit {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        let mut inside = String::new();
        for (fails, issue) in document
            .issues
            .iter()
            .map(|issue| (issue.severity >= self.fail_on, issue))
        {
            if !sink.admits(1) {
                continue;
            }
            let written = match fails {
                true => failure(&mut inside, file, issue),
                false => remark(&mut inside, file, issue),
            };
            written.map_err(io::Error::other)?;
        }
        self.tests += 1;
        if document.failed {
            self.failures += 1;
            if !inside.contains("<failure") {
                inside += "<failure message=\"issues that are not shown\" type=\"hidden\"/>\n";
            }
        }
        let name = escaped(&case_name(document));
        let classname = escaped(&file.name);
        let written = match inside.as_str() {
            "" => writeln!(
                self.cases,
                "<testcase name=\"{name}\" classname=\"{classname}\"/>"
            ),
            _ => writeln!(
                self.cases,
                "<testcase name=\"{name}\" classname=\"{classname}\">\n{inside}</testcase>"
            ),
        };
        written.map_err(io::Error::other)?;
        if self.cases.len() >= MAX_SUITE {
            self.end_suite(file, sink)?;
        }
        Ok(())
    }

    fn end_file(&mut self, file: &File, sink: &mut Sink) -> io::Result<()> {
        if self.tests > 0 || self.parts == 0 {
            self.end_suite(file, sink)?;
        }
        self.parts = 0;
        Ok(())
    }

    fn finish(&mut self, summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)?;
        for (name, reason) in &summary.unreadable {
            write!(
                sink,
                "<testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\">\n\
                 <testcase name=\"read\" classname=\"{name}\">\n\
                 <error message=\"{}\" type=\"unreadable\"/>\n</testcase>\n</testsuite>\n",
                escaped(reason),
                name = escaped(name),
            )?;
        }
        sink.write_all(b"</testsuites>\n")
    }
}

fn case_name(document: &Document) -> String {
    let resource = document.reference.as_deref().unwrap_or("document");
    match document.line {
        Some(line) => format!("line {line}: {resource}"),
        None => resource.to_owned(),
    }
}

fn failure(out: &mut String, file: &File, issue: &Issue) -> std::fmt::Result {
    writeln!(
        out,
        "<failure message=\"{}\" type=\"{}\">{}</failure>",
        escaped(&issue.message()),
        escaped(issue.rule.code()),
        escaped(&whole(file, issue))
    )
}

fn remark(out: &mut String, file: &File, issue: &Issue) -> std::fmt::Result {
    let line = escaped(&whole(file, issue));
    writeln!(out, "<system-out>{line}</system-out>")
}

fn whole(file: &File, issue: &Issue) -> String {
    format!("{}:{}:{}: {issue}", file.name, issue.line, issue.column)
}

/// The text without what XML 1.0 cannot hold, and with references for what it
/// reads as markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_markup_or_no_xml_is_replaced() {
        assert_eq!(escaped("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
        assert_eq!(escaped("\u{1}\n\u{ffff}é"), "\u{fffd}&#10;\u{fffd}é");
    }
}
