//! Writes: who may, what the user is asked, and what a confirmation is good
//! for. A recorder in the place of the FHIR server sees what is sent.

mod canaries;
mod confirmation;
mod delete;
mod read_only;
mod replicas;
mod unknown;
mod update;

use std::sync::{Arc, Mutex};

use fhir_mcp_server::{
    client::{HttpClient, HttpOptions, Source},
    mcp::{self, Options, WriteOptions},
    transport::http,
};
use rmcp::{
    ClientHandler, ErrorData, RoleClient, ServiceExt,
    model::{
        CallToolRequestParams, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationCapability, ProtocolVersion,
    },
    service::{
        ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService, ServiceError,
    },
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::fhir_server::{BASE_PATH, FhirServer, Reply, Request};

/// What is stored, in version 7.
const STORED: &str = r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"7"},"active":true,"birthDate":"1990-01-01"}"#;

/// How servers tell the version of what is stored: ETag, resource, and what
/// stands for it in `If-Match`.
const VERSIONS: [(Option<&str>, &str, Option<&str>); 4] = [
    (Some("W/\"7\""), STORED, Some("W/\"7\"")),
    (Some("\"abc\""), STORED, Some("\"abc\"")),
    (None, STORED, Some("W/\"7\"")),
    (None, r#"{"resourceType":"Patient","id":"1"}"#, None),
];

/// A FHIR server that records, and MCP servers in front of it.
struct Recorder {
    fhir: FhirServer,
    source: Source,
}

impl Recorder {
    /// With the stored patient, whom every search finds.
    async fn start() -> Self {
        Self::scripted(|_, request| stored_patient(request)).await
    }

    async fn scripted(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let fhir = FhirServer::start(script).await;
        let client = HttpClient::new(HttpOptions::new(fhir.base())).unwrap();
        let source = Source::Http(client);
        Self { fhir, source }
    }

    /// With this resource under each id.
    async fn storing(etag: Option<&'static str>, stored: &'static str) -> Self {
        Self::scripted(move |_, request| match request.method.as_str() {
            "GET" => match etag {
                Some(etag) => Reply::with_headers(200, &[("etag", etag)], stored),
                None => Reply::with_headers(200, &[], stored),
            },
            _ => stored_patient(request),
        })
        .await
    }

    fn server(&self, options: Options) -> mcp::FhirServer {
        mcp::FhirServer::new(self.source.clone(), options)
    }

    /// The requests that could change something, as method and target.
    fn writes(&self) -> Vec<String> {
        let requests = self.fhir.requests();
        let writes = requests.iter().filter(|request| request.method != "GET");
        writes
            .map(|request| {
                let target = request.target.strip_prefix(BASE_PATH).unwrap();
                format!("{} {target}", request.method)
            })
            .collect()
    }
}

fn stored_patient(request: &Request) -> Reply {
    let target = request.target.strip_prefix(BASE_PATH).unwrap();
    match request.method.as_str() {
        "GET" if target.starts_with("/metadata") => Reply::json(404, ""),
        "GET" if target.contains('?') => Reply::json(200, found(&[STORED])),
        "GET" => Reply::with_headers(200, &[("etag", "W/\"7\"")], STORED),
        "POST" => Reply::with_headers(201, &[("location", "Patient/9/_history/1")], ""),
        "PUT" => Reply::json(200, request.body.clone()),
        _ => Reply::with_headers(204, &[], ""),
    }
}

/// A Bundle of these resources.
fn found(resources: &[&str]) -> String {
    let entries = resources.iter().map(|resource| {
        let resource: Value = serde_json::from_str(resource).unwrap();
        json!({"fullUrl": "http://x.example/Patient/1", "resource": resource, "search": {"mode": "match"}})
    });
    let entries: Vec<Value> = entries.collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len()});
    if !entries.is_empty() {
        bundle["entry"] = json!(entries);
    }
    bundle.to_string()
}

/// Options that allow all writes.
fn allowing() -> Options {
    Options {
        allow_writes: true,
        ..Options::default()
    }
}

/// Options that allow writes as these options say.
fn allowing_with(writes: WriteOptions) -> Options {
    Options {
        writes,
        ..allowing()
    }
}

/// One call of each writing tool, by each of its ways, and what is sent for it
/// in the end.
fn calls() -> [(&'static str, Value, &'static str); 5] {
    let payload = json!({"resourceType": "Patient", "active": false});
    [
        (
            "create",
            json!({"type": "Patient", "payload": payload}),
            "POST /Patient",
        ),
        (
            "update",
            json!({"type": "Patient", "id": "1", "payload": payload}),
            "PUT /Patient/1",
        ),
        (
            "update",
            json!({"type": "Patient", "id": "", "payload": payload, "searchParam": {"name": "x"}}),
            "PUT /Patient/1",
        ),
        (
            "delete",
            json!({"type": "Patient", "id": "1"}),
            "DELETE /Patient/1",
        ),
        (
            "delete",
            json!({"type": "Patient", "searchParam": {"name": "x"}}),
            "DELETE /Patient/1",
        ),
    ]
}

fn call(tool: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

/// What a user does who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accept,
    /// Accepts the form as it came.
    AcceptUnticked,
    Decline,
    Cancel,
    /// Says nothing, ever.
    Silence,
    /// The client cannot ask.
    Unsupported,
}

impl Answer {
    /// Those after which the call goes on.
    const SAID: [Self; 5] = [
        Self::Accept,
        Self::AcceptUnticked,
        Self::Decline,
        Self::Cancel,
        Self::Unsupported,
    ];
}

/// A client with a user before it.
#[derive(Clone)]
struct Person {
    answer: Answer,
    /// What was asked.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Person {
    fn who(answer: Answer) -> Self {
        Self {
            answer,
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        if self.answer != Answer::Unsupported {
            info.capabilities.elicitation = Some(ElicitationCapability::new());
        }
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            panic!("a form")
        };
        self.asked.lock().unwrap().push(message);
        let result = ElicitResult::new;
        Ok(match self.answer {
            Answer::Accept => {
                result(ElicitationAction::Accept).with_content(json!({"confirm": true}))
            }
            Answer::AcceptUnticked => result(ElicitationAction::Accept).with_content(json!({})),
            Answer::Decline => result(ElicitationAction::Decline),
            Answer::Cancel => result(ElicitationAction::Cancel),
            Answer::Silence | Answer::Unsupported => std::future::pending().await,
        })
    }
}

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// Lines, as over stdio.
    ModernLines,
    LegacyLines,
    ModernHttp,
    LegacyHttp,
    LegacyHttpWithSession,
}

impl Connection {
    const ALL: [Self; 5] = [
        Self::ModernLines,
        Self::LegacyLines,
        Self::ModernHttp,
        Self::LegacyHttp,
        Self::LegacyHttpWithSession,
    ];

    const MODERN: [Self; 2] = [Self::ModernLines, Self::ModernHttp];

    /// Whether the server can ask over it.
    fn can_ask(self) -> bool {
        self != Self::LegacyHttp
    }
}

/// The newest version.
fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

/// A connected client.
struct Client {
    service: RunningService<RoleClient, Person>,
    person: Person,
    listener: Option<JoinHandle<std::io::Result<()>>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Client {
    async fn connect(server: &mcp::FhirServer, how: Connection, answer: Answer) -> Self {
        let person = Person::who(answer);
        let lifecycle = match how {
            Connection::ModernLines | Connection::ModernHttp => modern(),
            _ => ClientLifecycleMode::Initialize,
        };
        if matches!(how, Connection::ModernLines | Connection::LegacyLines) {
            let (near, far) = tokio::io::duplex(1 << 20);
            let server = server.clone();
            tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
            let service = person.clone().serve_with_lifecycle(near, lifecycle).await;
            return Self {
                service: service.unwrap(),
                person,
                listener: None,
            };
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let options = http::HttpOptions {
            legacy_sessions: how == Connection::LegacyHttpWithSession,
            ..http::HttpOptions::default()
        };
        let serving = http::run(listener, server.clone(), options, std::future::pending());
        let serving = tokio::spawn(serving);
        let transport = StreamableHttpClientTransport::from_uri(url);
        let service = person
            .clone()
            .serve_with_lifecycle(transport, lifecycle)
            .await;
        Self {
            service: service.unwrap(),
            person,
            listener: Some(serving),
        }
    }

    /// A client of the newest version, of a server that runs elsewhere.
    async fn of(origin: &str, token: Option<String>, answer: Answer) -> Self {
        let person = Person::who(answer);
        let url = format!("{origin}/mcp");
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        config.auth_header = token;
        let transport = StreamableHttpClientTransport::from_config(config);
        let service = person.clone().serve_with_lifecycle(transport, modern());
        Self {
            service: service.await.unwrap(),
            person,
            listener: None,
        }
    }

    /// Whether a call succeeds, and what it says.
    async fn call(&self, request: CallToolRequestParams) -> Result<(bool, String), ServiceError> {
        let result = self.service.call_tool(request).await?;
        let text = result.content[0].as_text().unwrap().text.clone();
        Ok((result.is_error != Some(true), text))
    }
}
