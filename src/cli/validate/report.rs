//! What `validate` says: it counts, and hands the issues to the form of output
//! that was asked for.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, IsTerminal, Write},
    sync::Arc,
};

use super::{
    Arguments,
    check::{Counts, Document, Outcome},
    output::{self, Output},
    progress::Progress,
};
use crate::model::Severity;

/// Where outputs write, and how much they still may.
pub struct Sink {
    writer: BufWriter<Box<dyn Write>>,
    /// Shown on standard error, which may be the same terminal.
    progress: Option<Progress>,
    /// Messages that may still be written.
    left: Option<u64>,
    /// Issues that were not written because of that.
    pub hidden: u64,
}

impl Sink {
    /// A sink to standard output that lets so many messages through.
    fn new(max_messages: Option<u64>, progress: Option<Progress>) -> Self {
        Self {
            writer: BufWriter::new(Box::new(io::stdout().lock())),
            progress,
            left: max_messages,
            hidden: 0,
        }
    }

    /// Whether one more message may be written; if not, the issues that it
    /// stands for are counted as hidden.
    pub fn admits(&mut self, issues: u64) -> bool {
        match &mut self.left {
            Some(0) => {
                self.hidden += issues;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(progress) = &mut self.progress {
            progress.make_room();
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// An input, as outputs see it.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name as it was given or found; `-` for standard input.
    pub name: Arc<str>,
    /// Whether offsets are those of the bytes on the disk.
    pub plain: bool,
}

/// What there is to say at the end.
#[derive(Debug, Default)]
pub struct Summary {
    /// Inputs.
    pub files: u64,
    /// Documents in them.
    pub documents: u64,
    /// All issues.
    pub counts: Counts,
    /// The same by rule.
    pub rules: BTreeMap<&'static str, u64>,
    /// Inputs with issues that make them fail, by first appearance.
    pub failing: Vec<(Arc<str>, Counts)>,
    /// Inputs that could not be read, or not to their end, and why.
    pub unreadable: BTreeMap<Arc<str>, String>,
}

/// Writes outcomes to standard output and progress to standard error, and
/// counts.
pub struct Report {
    output: Box<dyn Output>,
    sink: Sink,
    fail_on: Severity,
    file: Option<File>,
    /// Issues of the file so far.
    of_file: Counts,
    summary: Summary,
}

impl Report {
    /// A report to standard output; `size` is what the inputs take on the disk,
    /// as far as it is known. Progress is shown if standard error is a terminal.
    pub fn new(arguments: &Arguments, size: Option<u64>) -> Self {
        let progress = io::stderr().is_terminal().then(|| Progress::new(size));
        Self {
            output: output::output(arguments),
            sink: Sink::new(arguments.max_messages, progress),
            fail_on: arguments.fail_on.severity(),
            file: None,
            of_file: Counts::default(),
            summary: Summary::default(),
        }
    }

    /// What was found in all.
    pub fn into_summary(self) -> Summary {
        self.summary
    }

    /// Takes what came out of a job.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        let current = self.file.as_ref();
        if current.is_none_or(|file| file.name != outcome.name) {
            self.begin_file(&outcome.name)?;
        }
        self.summary.documents += outcome.checked;
        self.summary.counts.merge(outcome.counts);
        self.of_file.merge(outcome.counts);
        for (rule, count) in &outcome.rules {
            *self.summary.rules.entry(rule).or_default() += count;
        }
        self.write_documents(&outcome.documents)?;
        if let Some(error) = &outcome.unreadable {
            self.summary
                .unreadable
                .insert(outcome.name.clone(), error.to_string());
        }
        if let Some(progress) = &mut self.sink.progress {
            progress.show(&self.summary, outcome);
        }
        Ok(())
    }

    /// Writes what comes after the last issue.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(progress) = &mut self.sink.progress {
            progress.clear();
        }
        self.end_file()?;
        self.write_unreadable();
        self.output.finish(&self.summary, &mut self.sink)?;
        self.sink.flush()
    }

    fn begin_file(&mut self, name: &Arc<str>) -> io::Result<()> {
        self.end_file()?;
        self.file = Some(File {
            name: name.clone(),
            plain: !name.to_ascii_lowercase().ends_with(".gz"),
        });
        self.summary.files += 1;
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        let of_file = std::mem::take(&mut self.of_file);
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        if of_file.at_least(self.fail_on) > 0 {
            self.summary.failing.push((file.name.clone(), of_file));
        }
        self.output.end_file(&file, &mut self.sink)
    }

    fn write_documents(&mut self, documents: &[Document]) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        for document in documents {
            self.output.document(file, document, &mut self.sink)?;
        }
        Ok(())
    }

    #[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
    fn write_unreadable(&self) {
        for (name, error) in &self.summary.unreadable {
            eprintln!("error: cannot read `{name}`: {error}");
        }
    }
}
