//! Runs the suite.

use std::path::Path;

use tokio::process::Command;

use crate::Server;

/// The scored scenarios of 2025-11-25 in which the server asks the client
/// something: over HTTP that needs sessions. The fifth entry is one check that
/// does not fail but warns that it cannot be made without a session.
const NEED_SESSIONS: &str = "server:
  - tools-call-sampling
  - tools-call-elicitation
  - elicitation-sep1034-defaults
  - elicitation-sep1330-enums
  - server-sse-multiple-streams:server-sse-multiple-streams-session
";

/// Runs both revisions, and the older one without sessions, too; says whether
/// everything passed.
pub(crate) async fn run(directory: &Path) -> bool {
    let without_sessions = directory.join("without-sessions.yaml");
    std::fs::write(&without_sessions, NEED_SESSIONS).expect("the folder is writable");
    let mut passed = true;
    for (name, revision, legacy_sessions, expected_failures) in [
        ("2026-07-28", "2026-07-28", false, None),
        ("2026-07-28 beside sessions", "2026-07-28", true, None),
        ("2025-11-25", "2025-11-25", true, None),
        (
            "2025-11-25 without sessions",
            "2025-11-25",
            false,
            Some(without_sessions.as_path()),
        ),
    ] {
        let server = Server::start(legacy_sessions).await;
        let mut command = suite(directory);
        command
            .args(["server", "--url", &server.url, "--requirements", revision])
            .arg("--output-dir")
            .arg(directory.join("results").join(name.replace(' ', "-")));
        if let Some(list) = expected_failures {
            command.arg("--expected-failures").arg(list);
        }
        let status = command.status().await.expect("node can be run");
        println!("conformance {name}: {status}");
        passed &= status.success();
        server.stop().await;
    }
    passed
}

/// The suite, run by the Node that is installed beside it, or else by the one
/// on the path.
fn suite(directory: &Path) -> Command {
    let modules = directory.join("node_modules");
    let node = modules.join("node/bin/node");
    let mut command = if node.exists() {
        Command::new(node)
    } else {
        Command::new("node")
    };
    command.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    command
}
