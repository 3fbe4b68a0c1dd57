//! Sign-in at the FHIR server on this machine, with the binary: by a browser, by
//! a question of the MCP client, by a URL in the answer.

use std::process::Command;

use fhir_mcp_server::config::env;
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{CLIENT, Ehr},
    log::hits,
    program,
    running::Running,
};

/// No program, so that no browser opens on the machine of the tests.
const NO_BROWSER: &str = "/nowhere/browser";

fn settings(command: &mut Command, ehr: &Ehr) {
    command
        .args(["--transport", "stdio", "--log-level", "TRACE"])
        .env("BROWSER", NO_BROWSER)
        .env("RUST_LOG", "trace")
        .env(env::SERVER_BASE_URL, ehr.server.base().as_str())
        .env(env::SERVER_CLIENT_ID, CLIENT)
        .env(env::SERVER_SCOPES, "openid fhirUser patient/*.rs");
}

/// What a browser does with a page. The last one is that of the redirect.
async fn browse(url: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().status().as_u16()
}

/// A server that waits for a sign-in, and the EHR.
struct Waiting {
    ehr: Ehr,
    server: Running,
    _folder: tempfile::TempDir,
}

impl Waiting {
    async fn start() -> Self {
        let ehr = Ehr::good().await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = program::program(folder.path());
        settings(&mut command, &ehr);
        Self {
            ehr,
            server: Running::start(&mut command),
            _folder: folder,
        }
    }

    /// Begins as a client of 2025-11-25 that can ask in these ways.
    fn initialize(&mut self, elicitation: &Value) {
        let capabilities = match elicitation {
            Value::Null => json!({}),
            elicitation => json!({ "elicitation": elicitation }),
        };
        self.server.send(
            &json!({ "jsonrpc": "2.0", "id": "begin", "method": "initialize", "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "clientInfo": { "name": "test", "version": "1" },
            } }),
        );
        assert_eq!(self.server.answer()["id"], "begin");
        self.server
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    fn read(&mut self, id: u64) {
        let arguments = json!({"type": "Patient", "id": "p1"});
        self.server.call(id, "read", &arguments);
    }

    /// The same as a client of 2026-07-28.
    fn read_modern(&mut self, id: u64, elicitation: &Value, responses: Option<Value>) {
        let mut params = json!({
            "name": "read",
            "arguments": { "type": "Patient", "id": "p1" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": elicitation },
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            },
        });
        if let Some(responses) = responses {
            params["inputResponses"] = responses;
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        self.server.send(&message);
    }

    /// The record came, with the token of the sign-in.
    fn assert_read(&self, answer: &Value) {
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        let reads = self.ehr.requests("/fhir/r4/Patient/p1");
        let token = reads.last().unwrap().header("authorization");
        assert_eq!(token, Some("Bearer access-1"));
    }

    /// What a sign-in passed through is in no log.
    fn end(mut self) {
        let authorize = self.ehr.requests("/authorize");
        let form = self.ehr.token_forms();
        let mut canaries = ["access-1", "refresh-1", "code-1"]
            .map(str::to_owned)
            .to_vec();
        canaries.extend(form.iter().map(|form| form["code_verifier"].clone()));
        for request in &authorize {
            let url = format!("http://x{}", request.target);
            let url: url::Url = url.parse().unwrap();
            let secret = |name: &str| matches!(name, "state" | "nonce" | "code_challenge");
            let secrets = url.query_pairs().filter(|(name, _)| secret(name));
            canaries.extend(secrets.map(|(_, value)| value.into_owned()));
        }
        assert!(self.server.end());
        let log = self.server.log();
        assert!(log.contains("FHIR server answered"), "{log}");
        let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
        assert_eq!(hits(&log, &canaries), Vec::<String>::new());
    }
}

/// The URL of the sign-in in the answer of a tool.
fn url_in(answer: &Value) -> String {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let begin = text.find("http://").expect(text);
    text[begin..]
        .split([' ', '"', '\\'])
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_2025_is_asked_to_open_the_page() {
    let mut waiting = Waiting::start().await;
    waiting.initialize(&json!({ "url": {} }));
    waiting.read(1);
    let question = waiting.server.answer();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let params = &question["params"];
    assert_eq!(params["mode"], "url", "{question}");
    assert!(params["elicitationId"].is_string(), "{question}");
    assert_eq!(browse(params["url"].as_str().unwrap()).await, 200);
    let accepted = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    waiting.server.send(&accepted);
    let answer = waiting.server.answer();
    waiting.assert_read(&answer);
    waiting.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_2026_is_asked_by_the_answer() {
    let mut waiting = Waiting::start().await;
    let elicitation = json!({ "url": {} });
    waiting.read_modern(1, &elicitation, None);
    let question = waiting.server.answer();
    assert_eq!(
        question["result"]["resultType"], "input_required",
        "{question}"
    );
    let request = &question["result"]["inputRequests"]["sign-in"];
    assert_eq!(request["method"], "elicitation/create", "{question}");
    assert_eq!(request["params"]["mode"], "url", "{question}");
    assert_eq!(
        browse(request["params"]["url"].as_str().unwrap()).await,
        200
    );
    let accepted = json!({ "sign-in": { "action": "accept" } });
    waiting.read_modern(2, &elicitation, Some(accepted));
    let answer = waiting.server.answer();
    waiting.assert_read(&answer);
    waiting.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_is_told_the_url() {
    let mut waiting = Waiting::start().await;
    waiting.initialize(&json!({ "url": {}, "form": {} }));
    waiting.read(1);
    let question = waiting.server.answer();
    let declined = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    waiting.server.send(&declined);
    let url = url_in(&waiting.server.answer());
    assert_eq!(question["params"]["url"], url);
    assert!(waiting.ehr.requests("/token").is_empty());
    assert_eq!(browse(&url).await, 200);
    waiting.read(2);
    let answer = waiting.server.answer();
    waiting.assert_read(&answer);
    waiting.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_ask_for_pages_is_told_the_url() {
    for elicitation in [Value::Null, json!({}), json!({ "form": {} })] {
        let mut waiting = Waiting::start().await;
        waiting.initialize(&elicitation);
        waiting.read(1);
        let url = url_in(&waiting.server.answer());
        assert_eq!(browse(&url).await, 200);
        waiting.read(2);
        let answer = waiting.server.answer();
        waiting.assert_read(&answer);
        waiting.end();
    }
    let mut waiting = Waiting::start().await;
    waiting.read_modern(1, &json!({}), None);
    let url = url_in(&waiting.server.answer());
    assert_eq!(browse(&url).await, 200);
    waiting.read_modern(2, &json!({}), None);
    let answer = waiting.server.answer();
    waiting.assert_read(&answer);
    waiting.end();
}

#[cfg(unix)]
mod browser {
    use std::{
        path::{Path, PathBuf},
        time::Duration,
    };

    use super::*;

    /// A browser that writes down what it is given: on its standard input, and
    /// as an argument. It also says something that nobody must take for ours.
    const SCRIPT: &str = "if read -r line; then echo \"$line\" > stolen; fi\n\
        echo not for you\necho not for you >&2\nprintf '%s\\n' \"$1\" > url\n";

    fn browser(folder: &Path) -> String {
        let script = folder.join("browser.sh");
        std::fs::write(&script, SCRIPT).unwrap();
        format!("/nowhere/at/all:/bin/sh {} %s", script.display())
    }

    /// The URL that the browser was given.
    async fn url(folder: &Path) -> String {
        loop {
            let text = std::fs::read_to_string(folder.join("url")).unwrap_or_default();
            if let Some(url) = text.strip_suffix('\n') {
                return url.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn login(folder: &Path, ehr: &Ehr, cache: &Path) -> Command {
        let mut command = program::program(folder);
        command.arg("login");
        settings(&mut command, ehr);
        command
            .args(["--token-cache".as_ref(), cache.as_os_str()])
            .env("BROWSER", browser(folder));
        command
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_gets_nothing_of_the_client() {
        let ehr = Ehr::good().await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = program::program(folder.path());
        settings(&mut command, &ehr);
        command.env("BROWSER", browser(folder.path()));
        let mut server = Running::start(&mut command);
        server.initialize();
        let arguments = json!({"type": "Patient", "id": "p1"});
        server.call(1, "read", &arguments);
        assert_eq!(browse(&url(folder.path()).await).await, 200);
        // Each line of the output is a message, or the support fails.
        let answer = server.answer();
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        server.call(2, "read", &arguments);
        assert_eq!(server.answer()["id"], 2);
        assert!(server.end());
        assert!(!server.log().contains("not for you"));
        assert!(!folder.path().join("stolen").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn login_signs_in_beforehand() {
        let ehr = Ehr::good().await;
        let folder = tempfile::tempdir().unwrap();
        let cache: PathBuf = folder.path().join("tokens");
        let mut command = login(folder.path(), &ehr, &cache);
        let running = tokio::task::spawn_blocking(move || program::run(&mut command, b""));
        assert_eq!(browse(&url(folder.path()).await).await, 200);
        let output = running.await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(program::stdout(&output), "");
        let text = program::stderr(&output);
        assert!(text.contains("Signed in. Granted: patient/*.rs"), "{text}");
        let form = &ehr.token_forms()[0];
        let secrets = ["access-1", "refresh-1", "code-1", &form["code_verifier"]];
        assert_eq!(hits(&text, &secrets), Vec::<String>::new());
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // The server then needs no browser.
        let mut command = program::program(folder.path());
        settings(&mut command, &ehr);
        command.args(["--token-cache".as_ref(), cache.as_os_str()]);
        let mut server = Running::start(&mut command);
        server.initialize();
        server.call(1, "read", &json!({"type": "Patient", "id": "p1"}));
        let answer = server.answer();
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        assert_eq!(ehr.requests("/token").len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn login_says_where_to_sign_in_without_a_browser() {
        let ehr = Ehr::good().await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = login(folder.path(), &ehr, &folder.path().join("tokens"));
        // One in the terminal is none.
        command.env("BROWSER", format!("w3m:{NO_BROWSER}"));
        let mut running = Running::start(&mut command);
        running.wait_for("Open this page");
        let url = running.wait_for("http://");
        assert_eq!(browse(&url).await, 200);
        running.wait_for("Signed in");
        assert!(running.end());
    }
}
