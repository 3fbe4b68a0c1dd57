//! Cases that are counted: their number is part of what the documentation says.

use std::{future::Future, pin::Pin};

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
