//! The MCP conformance suite against our transports.
//!
//! The suite calls tools, prompts and resources by fixed names. A server made
//! of those stands on the same transport stack as the product here; no second
//! program is shipped.
//!
//! Without `MCP_CONFORMANCE_DIR` only a client of the MCP library looks whether
//! the server is there. With it, a folder in which npm has installed the suite
//! (`.ci/run` does), all scored scenarios of two protocol revisions are run.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says on standard output what it did"
)]

mod fixtures;
mod input;
mod prompts;
mod resources;
mod suite;
mod tools;

use std::process::ExitCode;

use fhir_mcp_server::transport::http::{self, HttpOptions};
use rmcp::{
    RoleClient, ServiceExt, model::CallToolRequestParams, service::RunningService,
    transport::StreamableHttpClientTransport,
};
use tokio::{net::TcpListener, sync::oneshot};

/// Folder with the suite in its `node_modules`.
const DIRECTORY_VARIABLE: &str = "MCP_CONFORMANCE_DIR";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads");
    let passed = match std::env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) => runtime.block_on(suite::run(directory.as_ref())),
        None => {
            println!("only a quick look; set {DIRECTORY_VARIABLE} to run the conformance suite");
            runtime.block_on(look());
            true
        }
    };
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether the fixtures can be listed and called at all, with sessions and
/// without.
async fn look() {
    for legacy_sessions in [false, true] {
        let server = Server::start(legacy_sessions).await;
        let transport = StreamableHttpClientTransport::from_uri(server.url.clone());
        let client: RunningService<RoleClient, ()> = ().serve(transport).await.unwrap();
        let tools = client.list_all_tools().await.unwrap();
        assert!(tools.iter().any(|tool| tool.name == "test_simple_text"));
        let call = CallToolRequestParams::new("test_simple_text");
        let answer = client.call_tool(call).await.unwrap();
        let text = answer.content[0].as_text().unwrap();
        assert_eq!(text.text, "This is a simple text response for testing.");
        client.cancel().await.unwrap();
        server.stop().await;
    }
}

/// The fixtures on a port of their own.
struct Server {
    url: String,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(legacy_sessions: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let options = HttpOptions {
            legacy_sessions,
            ..HttpOptions::default()
        };
        let (stop, stopped) = oneshot::channel();
        let handler = fixtures::Fixtures::default();
        let task = tokio::spawn(http::run(listener, handler, options, async {
            let _ = stopped.await;
        }));
        Self { url, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}
