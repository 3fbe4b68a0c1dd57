//! A session for one patient: what it is refused, what of an answer it gets, and
//! what it is told. A recorder in the place of the FHIR server knows others, too.

use std::sync::Arc;

use base64::Engine as _;
use fhir_mcp_server::{
    auth::Caller,
    client::{
        Credential, CredentialError, Grant, HttpClient, HttpOptions, Source, credential::Headers,
    },
    mcp::{self, Options, WriteOptions},
};
use futures::future::BoxFuture;
use rmcp::{RoleClient, ServiceExt, model::CallToolRequestParams, service::RunningService};
use serde_json::{Value, json};

use crate::support::fhir_server::{BASE_PATH, FhirServer, Reply, Request};

/// What came with the token of a launch for a patient.
#[derive(Debug)]
struct Launch(&'static str);

impl Credential for Launch {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async { Ok(Headers::new()) })
    }

    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        let grant = Grant {
            patient: Some(self.0.to_owned()),
            ..Grant::default()
        };
        Box::pin(async { Ok(Arc::new(grant)) })
    }
}

struct Session {
    fhir: FhirServer,
    server: mcp::FhirServer,
    client: RunningService<RoleClient, ()>,
}

impl Session {
    /// For patient p1, with writes that nobody confirms.
    async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let fhir = FhirServer::start(move |_, request| script(request)).await;
        let client = HttpClient::new(HttpOptions {
            credential: Some(Arc::new(Launch("p1"))),
            ..HttpOptions::new(fhir.base())
        });
        let options = Options {
            allow_writes: true,
            writes: WriteOptions {
                without_confirmation: true,
                ..WriteOptions::default()
            },
            ..Options::default()
        };
        let server = mcp::FhirServer::new(Source::Http(client.unwrap()), options);
        let client = connect(&server).await;
        Self {
            fhir,
            server,
            client,
        }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> (bool, Value) {
        call(&self.client, tool, arguments).await
    }

    /// Method and target of each request but those for the CapabilityStatement.
    fn sent(&self) -> Vec<String> {
        let requests = self.fhir.requests();
        let sent = requests
            .iter()
            .map(|request| format!("{} {}", request.method, target(request)));
        sent.filter(|sent| !sent.contains("/metadata")).collect()
    }
}

async fn connect(server: &mcp::FhirServer) -> RunningService<RoleClient, ()> {
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = server.clone();
    tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
    ().serve(near).await.unwrap()
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
    arguments: Value,
) -> (bool, Value) {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    let request = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = client.call_tool(request).await.unwrap();
    let is_ok = result.is_error == Some(false);
    (is_ok, result.structured_content.unwrap())
}

fn target(request: &Request) -> &str {
    request.target.strip_prefix(BASE_PATH).unwrap()
}

fn observation(id: &str, patient: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final",
        "code": {"text": "SECRET"}, "subject": {"reference": format!("Patient/{patient}")}})
}

fn bundle(kind: &str, resources: &[Value]) -> Value {
    let entry = |resource: &Value| {
        let name = |name: &str| resource[name].as_str().unwrap_or("x").to_owned();
        let url = format!("http://x.example/{}/{}", name("resourceType"), name("id"));
        json!({"fullUrl": url, "resource": resource})
    };
    let entries: Vec<_> = resources.iter().map(entry).collect();
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

#[tokio::test]
async fn nothing_of_others_comes_with_any_answer() {
    let own = || observation("1", "p1");
    let other = || observation("2", "p2");
    let mixed = || bundle("collection", &[own(), other()]);
    let reads = |what: &'static str, operation: &'static str| {
        (
            "read",
            json!({"type": what, "id": "x", "operation": operation}),
        )
    };
    let parameters = json!({"resourceType": "Parameters", "parameter":
        [{"name": "return", "resource": other()}]});
    let patient = json!({"resourceType": "Patient", "id": "p2", "name": [{"family": "SECRET"}]});
    let cases = [
        (reads("Observation", ""), other()),
        (reads("Observation", "_history"), mixed()),
        (reads("Observation", "_history/2"), other()),
        (reads("Encounter", "$everything"), mixed()),
        (reads("Observation", "$other"), parameters),
        (reads("Bundle", ""), mixed()),
        (reads("Bundle", ""), bundle("collection", &[mixed()])),
        (
            reads("Encounter", "$everything"),
            bundle("searchset", std::slice::from_ref(&patient)),
        ),
        // Servers that do not do as they are told.
        (
            ("search", json!({"type": "Observation"})),
            bundle("searchset", &[own(), other()]),
        ),
        (
            ("search", json!({"type": "Patient"})),
            bundle("searchset", &[patient]),
        ),
        (("validate", json!({"reference": "Observation/x"})), other()),
    ];
    for ((tool, arguments), body) in cases {
        for mark in ["", "\u{feff}"] {
            let name = format!("{tool} {arguments} {mark:?}");
            let body = format!("{mark}{body}");
            let session = Session::start(move |request| match target(request) {
                "/metadata" => Reply::json(404, ""),
                _ => Reply::json(200, body.clone()),
            })
            .await;
            let (is_ok, answer) = session.call(tool, arguments.clone()).await;
            let text = answer.to_string();
            assert!(!is_ok, "{name}: {text}");
            assert!(text.contains("holds records of others"), "{name}: {text}");
            assert!(
                !text.contains("SECRET") && !text.contains("p2"),
                "{name}: {text}"
            );
            assert!(!text.contains("nothing was sent"), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_of_the_patient_comes() {
    let practitioner = json!({"resourceType": "Practitioner", "id": "d"});
    let body = bundle("searchset", &[observation("1", "p1"), practitioner]);
    let session = Session::start(move |_| Reply::json(200, body.to_string())).await;
    let arguments = json!({"type": "Encounter", "id": "x", "operation": "$everything"});
    let (is_ok, answer) = session.call("read", arguments).await;
    assert!(is_ok, "{answer}");
    assert_eq!(answer["entry"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn who_asks_is_told_that_one_patient_was_searched() {
    for (self_link, ignored) in [
        ("Patient?name=Smith&_id=p1&_count=50", false),
        ("Patient?name=Smith&_count=50", true),
    ] {
        let session = Session::start(move |request| match target(request) {
            "/metadata" => Reply::json(404, ""),
            _ => {
                let link = json!([{"relation": "self", "url": self_link}]);
                let found = json!({"resourceType": "Bundle", "type": "searchset", "total": 0, "link": link});
                Reply::json(200, found.to_string())
            }
        })
        .await;
        let arguments = json!({"type": "Patient", "searchParam": {"name": "Smith"}});
        let (is_ok, answer) = session.call("search", arguments).await;
        assert!(is_ok, "{answer}");
        assert!(session.sent()[0].contains("_id=p1"), "{:?}", session.sent());
        let warnings = answer["warnings"].to_string();
        assert!(
            warnings.contains("narrowed to Patient/p1 with _id=p1"),
            "{warnings}"
        );
        assert!(
            warnings.contains("No Patient of this session's patient"),
            "{warnings}"
        );
        // A server that leaves the patient out is noticed.
        assert_eq!(
            warnings.contains("does not name _id"),
            ignored,
            "{warnings}"
        );
    }
    // Nothing is said where nothing was added.
    let body = bundle("searchset", &[observation("1", "p1")]);
    let session = Session::start(move |_| Reply::json(200, body.to_string())).await;
    let arguments = json!({"type": "Observation", "searchParam": {"patient": "p1"}});
    let (_, answer) = session.call("search", arguments).await;
    assert!(!answer.to_string().contains("narrowed"), "{answer}");
}

#[tokio::test]
async fn a_cursor_is_made_by_the_server_for_its_caller() {
    let session = Session::start(move |request| match target(request) {
        "/metadata" => Reply::json(404, ""),
        _ => {
            let mut page = bundle("searchset", &[observation("1", "p1")]);
            let next = "Observation?ct=abc";
            page["link"] = json!([{"relation": "next", "url": next}]);
            Reply::json(200, page.to_string())
        }
    })
    .await;
    let (is_ok, answer) = session.call("search", json!({"type": "Observation"})).await;
    assert!(is_ok, "{answer}");
    let cursor = answer["cursor"].as_str().unwrap().to_owned();
    let sent = session.sent().len();

    // A position as anybody can write one, with a checksum and without.
    let forged = br#"{"p":{"n":"Observation?foo=1"}}"#;
    let code = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(forged);
    let seal = cursor.rsplit('.').next().unwrap();
    let body = [[0; 8].as_slice(), forged].concat();
    for cursor in [
        code(&[&digest[..6], forged].concat()),
        code(forged),
        format!("rs1.{}.{seal}", code(&body)),
        format!("rs1.{}.{}", code(&body), code(&digest)),
    ] {
        let arguments = json!({"type": "Observation", "cursor": cursor});
        let (is_ok, answer) = session.call("search", arguments).await;
        assert!(
            !is_ok && answer.to_string().contains("the cursor does not hold"),
            "{answer}"
        );
    }
    // The right one, of another tool, for another type, of another user.
    let other = session.server.on_behalf_of(&Caller {
        principal: "someone".to_owned(),
        scope: None,
        credential: None,
    });
    let other = connect(&other).await;
    let good = json!({"type": "Observation", "cursor": cursor});
    for (client, tool, arguments) in [
        (
            &session.client,
            "read",
            json!({"type": "Observation", "id": "1", "cursor": cursor}),
        ),
        (
            &session.client,
            "search",
            json!({"type": "Condition", "cursor": cursor}),
        ),
        (&other, "search", good.clone()),
    ] {
        let (is_ok, answer) = call(client, tool, arguments).await;
        assert!(
            !is_ok && answer.to_string().contains("the cursor does not hold"),
            "{answer}"
        );
    }
    let mut otherwise = good.clone();
    otherwise["searchParam"] = json!({"code": "x"});
    let (is_ok, answer) = session.call("search", otherwise).await;
    assert!(
        !is_ok && answer.to_string().contains("other arguments"),
        "{answer}"
    );
    assert_eq!(session.sent().len(), sent, "nothing was sent");
    assert!(session.call("search", good).await.0);
}

#[tokio::test]
async fn records_of_others_are_neither_deleted_nor_operated_on() {
    for (patient, writes) in [("p1", 1), ("p2", 0)] {
        let payload =
            json!({"resourceType": "Parameters", "parameter": [{"name": "a", "valueString": "b"}]});
        for (tool, arguments) in [
            ("delete", json!({"type": "Observation", "id": "1"})),
            (
                "update",
                json!({"type": "Observation", "id": "1", "payload": observation("1", "p1")}),
            ),
            (
                "update",
                json!({"type": "Observation", "id": "1", "operation": "$do", "payload": payload}),
            ),
        ] {
            let session = Session::start(move |request| match request.method.as_str() {
                "GET" => Reply::json(200, observation("1", patient).to_string()),
                _ => Reply::with_headers(204, &[], ""),
            })
            .await;
            let (is_ok, answer) = session.call(tool, arguments).await;
            let sent = session.sent();
            assert_eq!(is_ok, writes == 1, "{tool}: {answer}");
            let written = sent.iter().filter(|sent| !sent.starts_with("GET"));
            assert_eq!(written.count(), writes, "{tool}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_kept_back_took_place() {
    let session = Session::start(move |request| match request.method.as_str() {
        "GET" => Reply::json(404, ""),
        _ => Reply::json(201, observation("1", "p2").to_string()),
    })
    .await;
    let arguments = json!({"type": "Observation", "payload": observation("1", "p1")});
    let (is_ok, answer) = session.call("create", arguments).await;
    let text = answer.to_string();
    assert!(
        !is_ok && text.contains("carried it out (HTTP 201), so do not repeat it"),
        "{text}"
    );
    assert!(!text.contains("SECRET"), "{text}");
}
