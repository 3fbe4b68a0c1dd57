//! Checks jobs, on as many threads as are wanted, and keeps the order.

use std::{
    collections::BTreeMap,
    io,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use super::{
    ignore::Ignored,
    input::Inputs,
    jobs::{self, Content, Job, JobError},
};
use crate::{
    model::{Issue, Resource, Severity},
    validation::Validator,
};

/// Jobs that may be on their way, for each thread that checks.
const JOBS_PER_THREAD: usize = 4;
/// A document may nest 128 levels deep, and each takes a frame.
const STACK: usize = 8 * 1024 * 1024;

/// What to check, and what to tell of it.
#[derive(Debug)]
pub struct Checker {
    /// The rules.
    pub validator: Validator,
    /// Issues that are known and accepted.
    pub ignored: Ignored,
    /// The least severity that is told.
    pub level: Severity,
    /// The least severity that makes a document fail.
    pub fail_on: Severity,
    /// Whether documents without issues are told, too.
    pub all_documents: bool,
}

/// How many issues there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors, fatal ones among them.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// Remarks.
    pub information: u64,
    /// Issues that an ignore file accepts; not among the others.
    pub ignored: u64,
}

impl Counts {
    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Fatal | Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Information => self.information += 1,
        }
    }

    /// Adds the numbers of another count.
    pub fn merge(&mut self, other: Self) {
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.information += other.information;
        self.ignored += other.ignored;
    }

    /// How many issues have at least this severity.
    pub fn at_least(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Fatal | Severity::Error => self.errors,
            Severity::Warning => self.errors + self.warnings,
            Severity::Information => self.errors + self.warnings + self.information,
        }
    }
}

/// What came out of a job.
#[derive(Debug)]
pub struct Outcome {
    /// Name of the input.
    pub name: Arc<str>,
    /// Documents checked.
    pub checked: u64,
    /// Their bytes, decompressed.
    pub bytes: u64,
    /// Bytes of the input that were read, as they lie on the disk.
    pub read: u64,
    /// The issues, whether told or not.
    pub counts: Counts,
    /// The same by rule.
    pub rules: BTreeMap<&'static str, u64>,
    /// Documents with issues to tell, or all of them, in order.
    pub documents: Vec<Document>,
    /// Why the input could not be read, or not to its end.
    pub unreadable: Option<io::Error>,
}

/// A document and what is to be told of it.
#[derive(Debug)]
pub struct Document {
    /// Its line, where the input has one document a line.
    pub line: Option<u32>,
    /// Type and id, as far as they are known: `Patient/123`, `Patient`.
    pub reference: Option<String>,
    /// Whether one of its issues, told or not, makes it fail.
    pub failed: bool,
    /// Its issues; their lines and offsets are those of the input.
    pub issues: Vec<Issue>,
}

impl Document {
    /// The reference of the resource, where its input has many.
    pub fn reference_in_lines(&self) -> Option<&str> {
        self.line?;
        self.reference
            .as_deref()
            .filter(|reference| reference.contains('/'))
    }
}

impl Checker {
    /// Checks what there is to check.
    pub fn check(&self, job: Job) -> Outcome {
        let mut outcome = Outcome {
            name: job.name,
            checked: 0,
            bytes: 0,
            read: job.read,
            counts: Counts::default(),
            rules: BTreeMap::new(),
            documents: Vec::new(),
            unreadable: None,
        };
        match job.content {
            Content::Document(bytes) => self.check_document(&bytes, None, &mut outcome),
            Content::File(path) => match jobs::read_file(&path) {
                Ok((bytes, read)) => {
                    outcome.read = read;
                    self.check_document(&bytes, None, &mut outcome);
                }
                Err(error) => outcome.unreadable = Some(error),
            },
            Content::Unreadable(error) => outcome.unreadable = Some(error),
            Content::Lines {
                bytes,
                first_line,
                mut offset,
            } => {
                for (line, bytes) in (first_line..).zip(bytes.split_inclusive(|b| *b == b'\n')) {
                    if !bytes.trim_ascii().is_empty() {
                        let place = Some((line, offset));
                        self.check_document(bytes.trim_ascii_end(), place, &mut outcome);
                    }
                    offset += bytes.len();
                }
            }
        }
        outcome
    }

    /// Checks one document; its place is line and offset, if it is one of many
    /// in its input.
    fn check_document(&self, bytes: &[u8], place: Option<(u32, usize)>, outcome: &mut Outcome) {
        outcome.checked += 1;
        outcome.bytes += bytes.len() as u64;
        let mut reading = self.validator.read(bytes);
        let mut failed = false;
        reading.issues.retain_mut(|issue| {
            if self.ignored.matches(issue) {
                outcome.counts.ignored += 1;
                return false;
            }
            outcome.counts.add(issue.severity);
            *outcome.rules.entry(issue.rule.code()).or_default() += 1;
            failed |= issue.severity >= self.fail_on;
            if let Some((line, offset)) = place {
                issue.line = issue.line.saturating_add(line - 1);
                issue.offset += offset;
            }
            issue.severity >= self.level
        });
        if self.all_documents || !reading.issues.is_empty() {
            outcome.documents.push(Document {
                line: place.map(|(line, _)| line),
                reference: reading.value.as_ref().map(reference),
                failed,
                issues: reading.issues,
            });
        }
    }
}

fn reference(resource: &Resource) -> String {
    let name = resource.resource_type();
    match resource.id() {
        Some(id) => format!("{name}/{id}"),
        None => name.to_owned(),
    }
}

/// Checks all inputs and gives the outcomes in the order of the inputs. One
/// thread reads, so many check; at most a few jobs for each are in memory.
///
/// # Errors
/// The first error of `take`, which ends the work.
pub fn check_all(
    inputs: Inputs,
    checker: &Checker,
    threads: Option<NonZero<usize>>,
    mut take: impl FnMut(Outcome) -> io::Result<()>,
) -> io::Result<()> {
    let threads = threads.or_else(|| thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZero::get);
    // A job needs a permit; it is given back when its outcome has been written.
    let (give_back, permits) = mpsc::channel();
    for _ in 0..threads * JOBS_PER_THREAD {
        let _ = give_back.send(());
    }
    let (to_checkers, jobs) = mpsc::channel();
    let (to_writer, outcomes) = mpsc::channel();
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, move || read(inputs, &permits, &to_checkers))?;
        for _ in 0..threads {
            let (jobs, to_writer) = (&jobs, to_writer.clone());
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || work(checker, jobs, &to_writer))?;
        }
        drop(to_writer);
        // Dropped at the end of this closure, whether that is early or not:
        // then the reader gets no permit any more and everything ends.
        let give_back = give_back;
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (number, outcome) in outcomes {
            waiting.insert(number, outcome);
            while let Some(outcome) = waiting.remove(&next) {
                take(outcome)?;
                next += 1;
                let _ = give_back.send(());
            }
        }
        Ok(())
    })
}

type Numbered<T> = (u64, T);

/// Reads the inputs into jobs, as far as there are permits.
fn read(inputs: Inputs, permits: &Receiver<()>, to_checkers: &Sender<Numbered<Job>>) {
    let mut number = 0;
    jobs::jobs(inputs, |job| {
        if permits.recv().is_err() {
            return Err(JobError::Stopped);
        }
        to_checkers
            .send((number, job))
            .map_err(|_| JobError::Stopped)?;
        number += 1;
        Ok(())
    });
}

/// Checks jobs as long as there are any.
fn work(
    checker: &Checker,
    jobs: &Mutex<Receiver<Numbered<Job>>>,
    to_writer: &Sender<Numbered<Outcome>>,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, job)) = job else { return };
        if to_writer.send((number, checker.check(job))).is_err() {
            return;
        }
    }
}
