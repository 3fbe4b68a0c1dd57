//! Cases that are counted: their number is part of what the documentation says.

use std::{future::Future, io::Write, pin::Pin};

/// A case with its name.
pub(crate) type Case = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

/// Makes a case of a name and a block.
macro_rules! case {
    ($name:literal, $body:block) => {
        (
            $name,
            Box::pin(async move { $body }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
        )
    };
}
pub(crate) use case;

/// Runs all cases, prints how many there are, and fails with the names of
/// those that do not hold.
#[expect(
    clippy::print_stdout,
    reason = "the count is for whoever runs the tests"
)]
pub(crate) async fn hold(area: &str, at_least: usize, cases: Vec<Case>) {
    let count = cases.len();
    let mut failed = Vec::new();
    for (name, case) in cases {
        if tokio::spawn(case).await.is_err() {
            failed.push(name);
        }
    }
    println!("{area}: {count} cases, {} hold", count - failed.len());
    assert!(failed.is_empty(), "{area}: {failed:?}");
    assert!(count >= at_least, "{area}: {count} cases");
}

/// Counts the tests in the sources of an area, fails when there are fewer than
/// promised, and says the count past the capture of the test run.
pub(crate) fn count(area: &str, sources: &[&str], promised: usize) {
    let tests = |source: &&str| {
        let lines = source.lines().map(str::trim);
        lines
            .filter(|line| matches!(*line, "#[tokio::test]" | "#[test]"))
            .count()
    };
    // The one that counts is none of them.
    let count = sources.iter().map(tests).sum::<usize>() - 1;
    let _ = writeln!(std::io::stderr(), "{area}: {count} cases");
    assert!(count >= promised, "{area}: {count} cases of {promised}");
}
