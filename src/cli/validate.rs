//! `validate PATH…`: checks files against FHIR R4.
//!
//! One thread reads, one for each core checks, one writes, in the order of the
//! input. At most a few documents for each core are in memory at once, so a
//! file of newline-delimited resources may be of any size.

use std::{
    collections::BTreeMap,
    io,
    num::NonZero,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use self::{
    input::{Inputs, Job, JobError, Outcome},
    output::{Format, Report},
};
use super::USAGE;

pub mod input;
pub mod output;

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Folders are searched for .json, .ndjson and .jsonl files, and for each with .gz. Files that are named \
are read whatever their name.

Exit codes: 0 no error (there may be warnings); 1 at least one error; 2 wrong usage, or a file could \
not be read.")]
pub struct Arguments {
    /// Files, folders and patterns such as 'exports/*.ndjson.gz'; - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,

    /// Form of the output
    #[arg(long, value_enum, ignore_case = true, default_value_t = Format::Text)]
    pub format: Format,
}

/// Jobs that may be on their way, for each thread that checks.
const JOBS_PER_THREAD: usize = 4;
/// A document may nest 128 levels deep, and each takes a frame.
const STACK: usize = 8 * 1024 * 1024;

/// Checks the files.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(arguments: &Arguments) -> ExitCode {
    let inputs = match Inputs::find(&arguments.paths) {
        Ok(inputs) => inputs,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let mut report = Report::new(arguments.format);
    let checked = check(inputs, |outcome| report.add(&outcome)).and_then(|()| report.finish());
    match checked {
        Ok(()) => {}
        // Whoever reads through a pipe may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            return ExitCode::from(USAGE);
        }
    }
    if report.unreadable() > 0 {
        ExitCode::from(USAGE)
    } else if report.errors() > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Checks all inputs on all cores and gives the outcomes in the order of the
/// inputs.
///
/// # Errors
/// The first error of `take`, which ends the work.
fn check(inputs: Inputs, mut take: impl FnMut(Outcome) -> io::Result<()>) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
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
                .spawn_scoped(scope, move || work(jobs, &to_writer))?;
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
    inputs.jobs(|job| {
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
fn work(jobs: &Mutex<Receiver<Numbered<Job>>>, to_writer: &Sender<Numbered<Outcome>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, job)) = job else { return };
        if to_writer.send((number, job.check())).is_err() {
            return;
        }
    }
}
