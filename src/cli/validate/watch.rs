//! `--watch`: checks again whenever a file changes.
//!
//! It looks at sizes and times of all files now and then. That costs little,
//! sees new files too, and works where the system announces no changes: on
//! network drives and in containers.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    thread,
    time::{Duration, SystemTime},
};

use super::{Arguments, check::Counts, input::Inputs, output::counted, report::Summary, run_once};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Everything off the terminal, and the cursor to its first line.
const CLEAR_SCREEN: &[u8] = b"\x1b[2J\x1b[3J\x1b[H";

/// Size and time of last change of each file.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Checks the files again and again, until the process is ended.
pub(super) fn run(arguments: &Arguments) -> ! {
    let mut last = None;
    let mut run = 0;
    loop {
        run += 1;
        clear_screen();
        // Before the run: what changes meanwhile is checked again.
        let seen = look(arguments);
        match run_once(arguments) {
            Ok(summary) => {
                say(run, &summary, last);
                last = Some(summary.counts);
            }
            Err(error) => say_line(&format!("[run {run}] {error}")),
        }
        wait_for_change(arguments, seen);
    }
}

/// Waits until files are other than those seen, and have settled.
fn wait_for_change(arguments: &Arguments, mut seen: Seen) {
    let mut changed = false;
    loop {
        thread::sleep(INTERVAL);
        let now = look(arguments);
        if now != seen {
            changed = true;
            seen = now;
        } else if changed {
            return;
        }
    }
}

fn look(arguments: &Arguments) -> Seen {
    let mut seen = Seen::new();
    for path in &arguments.paths {
        // One that stands for nothing at the moment hides no other.
        let Ok(inputs) = Inputs::find(std::slice::from_ref(path)) else {
            continue;
        };
        seen.extend(inputs.files().map(|path| (path.to_owned(), stamp(path))));
    }
    let others = arguments.ignore.iter().chain(&arguments.package);
    seen.extend(others.map(|path| (path.clone(), stamp(path))));
    seen
}

fn stamp(path: &std::path::Path) -> (u64, Option<SystemTime>) {
    match fs::metadata(path) {
        Ok(metadata) => (metadata.len(), metadata.modified().ok()),
        Err(_) => (0, None),
    }
}

fn clear_screen() {
    let mut output = io::stdout();
    if output.is_terminal() {
        let _ = output.write_all(CLEAR_SCREEN).and_then(|()| output.flush());
    }
}

/// `[run 2] 3 errors (2 fewer), 0 warnings in 54 resources; waiting for changes`.
fn say(run: u64, summary: &Summary, last: Option<Counts>) {
    let errors = summary.counts.errors;
    let change = match last.map(|last| last.errors) {
        Some(before) if before < errors => format!(" ({} more)", errors - before),
        Some(before) if before > errors => format!(" ({} fewer)", before - errors),
        _ => String::new(),
    };
    say_line(&format!(
        "[run {run}] {}{change}, {} in {}; waiting for changes, Ctrl-C ends",
        counted(errors, "error"),
        counted(summary.counts.warnings, "warning"),
        counted(summary.documents, "resource"),
    ));
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn say_line(line: &str) {
    eprintln!("{line}");
}
