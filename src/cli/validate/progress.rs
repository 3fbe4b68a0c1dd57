//! A line on the terminal that says how far the work is.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::{check::Outcome, output::counted, report::Summary};

/// Between two updates.
const TICK: Duration = Duration::from_millis(200);
/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Back to the beginning of the line, and nothing on it.
const CLEAR_LINE: &str = "\r\x1b[K";
/// Columns of the bar.
const BAR: usize = 20;

/// How far the work is; shown on standard error.
pub(super) struct Progress {
    shown: bool,
    /// Whether the output goes to the terminal, too.
    shared: bool,
    start: Instant,
    next: Instant,
    /// Bytes of all inputs on the disk.
    size: Option<u64>,
    /// Bytes of them that are done.
    read: u64,
    /// Bytes checked, decompressed.
    bytes: u64,
}

impl Progress {
    /// Nothing is done of inputs of this size.
    pub(super) fn new(size: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            shown: false,
            shared: io::stdout().is_terminal(),
            start: now,
            next: now + PATIENCE,
            size: size.filter(|size| *size > 0),
            read: 0,
            bytes: 0,
        }
    }

    /// Shows what is done, if it is time to.
    pub(super) fn show(&mut self, summary: &Summary, outcome: &Outcome) {
        self.read += outcome.read;
        self.bytes += outcome.bytes;
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + TICK;
        self.shown = true;
        let line = self.line(summary, now - self.start);
        // That a terminal cannot be written is no reason to stop checking.
        let _ = write!(io::stderr(), "{CLEAR_LINE}{line}");
    }

    /// Makes room for output on the same terminal.
    pub(super) fn make_room(&mut self) {
        if self.shared {
            self.clear();
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }

    /// `[████····] 40 % · 12,345 resources, 3 errors · 98 MB/s · 0:12 left`.
    fn line(&self, summary: &Summary, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let found = format!(
            "{}, {}",
            counted(summary.documents, "resource"),
            counted(summary.counts.errors, "error"),
        );
        let rate = format!("{:.0} MB/s", self.bytes as f64 / 1e6 / seconds);
        let Some(size) = self.size else {
            return format!("{found} · {rate}");
        };
        let done = (self.read as f64 / size as f64).clamp(0.0, 1.0);
        let filled = (done * BAR as f64) as usize;
        let bar = "█".repeat(filled) + &"·".repeat(BAR - filled);
        let percent = (done * 100.0) as u64;
        let left = match self.read {
            0 => String::new(),
            _ => {
                let left = (seconds / done - seconds).round() as u64;
                format!(" · {}:{:02} left", left / 60, left % 60)
            }
        };
        format!("[{bar}] {percent} % · {found} · {rate}{left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_share_rate_and_time_left() {
        let mut progress = Progress::new(Some(400));
        let summary = Summary {
            documents: 2,
            ..Summary::default()
        };
        progress.read = 100;
        progress.bytes = 40_000_000;
        assert_eq!(
            progress.line(&summary, Duration::from_secs(20)),
            "[█████···············] 25 % · 2 resources, 0 errors · 2 MB/s · 1:00 left"
        );
        progress.size = None;
        assert_eq!(
            progress.line(&summary, Duration::from_secs(20)),
            "2 resources, 0 errors · 2 MB/s"
        );
    }
}
