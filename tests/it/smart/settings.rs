//! Settings about the way in, and tools within what was granted.

use std::sync::Arc;

use clap::Parser;
use fhir_mcp_server::{
    auth::smart::{Permission, Scopes, TokenCredential, TokenSet},
    cli::Cli,
    client::{Credential, HttpClient, HttpOptions, Source},
    config::{Config, DataSource, Upstream, upstream::Method},
    mcp::{self, Options, WriteOptions},
};
use rmcp::{RoleClient, ServiceExt, model::CallToolRequestParams, service::RunningService};
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{CLIENT, Ehr, P384},
    fhir_server::{BASE_PATH, FhirServer, Reply},
};

const BASE: (&str, &str) = ("FHIR_SERVER_BASE_URL", "https://fhir.example.org/r4");
const ID: (&str, &str) = ("FHIR_SERVER_CLIENT_ID", "c");
const SCOPES: (&str, &str) = ("FHIR_SERVER_SCOPES", "user/*.rs");
const SECRET: (&str, &str) = ("FHIR_SERVER_CLIENT_SECRET", "canary");
const TOKEN: (&str, &str) = ("FHIR_SERVER_ACCESS_TOKEN", "canary");
const USER: (&str, &str) = ("FHIR_SERVER_AUTH_USERNAME", "u");
const PASSWORD: (&str, &str) = ("FHIR_SERVER_AUTH_PASSWORD", "canary");

fn upstream(flags: &[&str], variables: &[(&str, &str)]) -> Result<Upstream, String> {
    let program = ["fhir-mcp-server", "--transport", "stdio"];
    let cli = Cli::try_parse_from(program.iter().chain(flags)).unwrap();
    let config = Config::new(&cli.flags, &variables.iter().copied().collect());
    match config.map_err(|error| error.to_string())?.data {
        DataSource::Server { upstream, .. } => Ok(*upstream),
        DataSource::Fixtures(_) => panic!("a server is set"),
    }
}

/// Variables, and what the message must name.
type Contradiction<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn settings_that_contradict_each_other_are_named() {
    let key = ("FHIR_SERVER_AUTH_PRIVATE_KEY_FILE", "Cargo.toml");
    let missing = ("FHIR_SERVER_AUTH_TOKEN_FILE", "/nowhere");
    let grant = ("FHIR_SERVER_AUTH_GRANT", "client_credentials");
    let headers = |value| ("FHIR_SERVER_AUTH_HEADERS", value);
    let http = ("FHIR_SERVER_BASE_URL", "http://fhir.example.org/r4");
    let cases: &[Contradiction<'_>] = &[
        (
            &[BASE, TOKEN, ID, SCOPES],
            &["FHIR_SERVER_ACCESS_TOKEN", "FHIR_SERVER_CLIENT_ID"],
        ),
        (
            &[BASE, TOKEN, USER, PASSWORD],
            &["FHIR_SERVER_ACCESS_TOKEN", "USERNAME"],
        ),
        (
            &[BASE, USER, PASSWORD, ID, SCOPES],
            &["USERNAME", "CLIENT_ID"],
        ),
        (&[BASE, USER], &["PASSWORD"]),
        (&[BASE, PASSWORD], &["USERNAME"]),
        (&[BASE, SECRET], &["CLIENT_ID"]),
        (&[BASE, SCOPES], &["CLIENT_ID"]),
        (&[BASE, ID], &["FHIR_SERVER_SCOPES"]),
        (
            &[BASE, ID, SCOPES, grant],
            &["PRIVATE_KEY_FILE", "CLIENT_SECRET"],
        ),
        (
            &[BASE, ID, SCOPES, ("FHIR_SERVER_AUTH_GRANT", "password")],
            &["AUTH_GRANT"],
        ),
        (&[BASE, ID, SCOPES, key], &["KEY_ID"]),
        (
            &[BASE, ID, SCOPES, key, ("FHIR_SERVER_AUTH_KEY_ID", "k")],
            &["PRIVATE_KEY_FILE", "P-384"],
        ),
        (
            &[BASE, ID, SCOPES, ("FHIR_SERVER_AUTH_KEY_ID", "k")],
            &["PRIVATE_KEY_FILE"],
        ),
        (&[BASE, missing], &["TOKEN_FILE"]),
        (&[BASE, headers("x")], &["AUTH_HEADERS"]),
        (&[BASE, headers(r#"{"a":1}"#)], &["AUTH_HEADERS"]),
        (&[BASE, headers(r#"{"a b":"c"}"#)], &["AUTH_HEADERS"]),
        (
            &[BASE, TOKEN, headers(r#"{"Authorization":"canary"}"#)],
            &["AUTH_HEADERS"],
        ),
        (
            &[
                BASE,
                ID,
                SCOPES,
                ("FHIR_SERVER_AUTH_REDIRECT_URI", "https://a/b"),
            ],
            &["REDIRECT_URI"],
        ),
        (
            &[
                BASE,
                ("FHIR_SERVER_AUTH_REDIRECT_URI", "http://127.0.0.1:1/b"),
            ],
            &["CLIENT_ID"],
        ),
        (
            &[BASE, ("FHIR_SERVER_AUTH_CLIENT_CERT_FILE", "Cargo.toml")],
            &["CLIENT_KEY_FILE"],
        ),
        (&[BASE, ("FHIR_SERVER_AUTH_ALLOW_HTTP", "maybe")], &[]),
        (&[http, TOKEN], &["https", "ALLOW_HTTP"]),
        (&[http, headers(r#"{"a":"b"}"#)], &["https"]),
    ];
    for (variables, names) in cases {
        let Err(message) = upstream(&[], variables) else {
            assert!(names.is_empty(), "{variables:?}");
            continue;
        };
        for name in *names {
            assert!(message.contains(name), "{variables:?}: {message}");
        }
        assert!(
            message.ends_with('.') && !message.contains('\n'),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
    }
    let message = upstream(&["--token-cache", "f"], &[BASE, TOKEN]).unwrap_err();
    assert!(message.contains("--token-cache"), "{message}");
    println!("contradictory settings: {} cases", cases.len() + 1);
}

#[test]
fn each_way_in_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, P384).unwrap();
    let key = ("FHIR_SERVER_AUTH_PRIVATE_KEY_FILE", path.to_str().unwrap());
    let kid = ("FHIR_SERVER_AUTH_KEY_ID", "k");
    let grant = |name| ("FHIR_SERVER_AUTH_GRANT", name);
    let method = |variables: &[_]| upstream(&[], variables).unwrap().method;
    assert!(matches!(method(&[BASE]), Method::None));
    assert!(matches!(method(&[BASE, TOKEN]), Method::Token(_)));
    assert!(matches!(method(&[BASE, USER, PASSWORD]), Method::Basic(..)));
    assert!(matches!(
        method(&[BASE, ID, SCOPES]),
        Method::AuthorizationCode(_)
    ));
    assert!(matches!(
        method(&[BASE, ID, SCOPES, SECRET]),
        Method::AuthorizationCode(_)
    ));
    let credentials = [BASE, ID, SCOPES, SECRET, grant("client_credentials")];
    assert!(matches!(method(&credentials), Method::ClientCredentials(_)));
    assert!(matches!(
        method(&[BASE, ID, SCOPES, key, kid]),
        Method::ClientCredentials(_)
    ));
    let code = [BASE, ID, SCOPES, key, kid, grant("authorization_code")];
    assert!(matches!(method(&code), Method::AuthorizationCode(_)));
    let shown = format!("{:?}", upstream(&[], &credentials).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn basic_files_and_headers_reach_the_fhir_server_and_nothing_else() {
    let server = FhirServer::always(200, "{}").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let headers = ("FHIR_SERVER_AUTH_HEADERS", r#"{"x-api-key":"k"}"#);
    let sent = async |variables: &[(&str, &str)]| {
        let upstream = upstream(&[], variables).unwrap();
        let credential = upstream.credential(&server.base(), true).unwrap();
        credential.unwrap().headers().await.unwrap()
    };
    let basic = sent(&[BASE, USER, PASSWORD, headers]).await;
    assert_eq!(basic[0].1, "Basic dTpjYW5hcnk=");
    assert_eq!(basic[1].1, "k");
    assert!(basic.iter().all(|(_, value)| value.is_sensitive()));
    let file = ("FHIR_SERVER_AUTH_TOKEN_FILE", path.to_str().unwrap());
    assert_eq!(sent(&[BASE, file]).await[0].1, "Bearer first");
    std::fs::write(&path, "second").unwrap();
    assert_eq!(sent(&[BASE, file]).await[0].1, "Bearer second");
    assert!(server.requests().is_empty());
}

#[test]
fn scopes_of_both_versions_are_read() {
    use Permission::{Create, Delete, Read, Search, Update};
    let all = [Create, Read, Update, Delete, Search];
    let cases: &[(&str, &str, &[Permission])] = &[
        ("patient/Observation.read", "Observation", &[Read, Search]),
        (
            "user/Observation.write",
            "Observation",
            &[Create, Update, Delete],
        ),
        ("system/*.*", "Patient", &all),
        ("patient/*.rs", "Patient", &[Read, Search]),
        ("patient/Patient.r", "Patient", &[Read]),
        ("patient/Patient.cruds", "Patient", &all),
        (
            "patient/Patient.c patient/Patient.d",
            "Patient",
            &[Create, Delete],
        ),
        (
            "patient/Observation.rs?category=laboratory",
            "Observation",
            &[Read, Search],
        ),
        ("patient/Observation.rs", "Patient", &[]),
        // Not in order, or no letter at all: no scope for resources.
        ("patient/Patient.sr user/Observation.r", "Patient", &[]),
        ("patient/Patient. user/Observation.r", "Patient", &[]),
        ("group/Patient.r user/Observation.r", "Patient", &[]),
        // Nothing is known, so the server decides.
        ("openid fhirUser launch/patient", "Patient", &all),
    ];
    for (text, name, allowed) in cases {
        let scopes = Scopes::parse(text);
        for permission in all {
            let expected = allowed.contains(&permission);
            assert_eq!(
                scopes.allow(name, permission),
                expected,
                "{text} {permission:?}"
            );
        }
    }
}

/// A client of a server whose session has this grant, and the FHIR server.
async fn session(grant: Value) -> (RunningService<RoleClient, ()>, FhirServer) {
    let fhir = FhirServer::start(|_, request| {
        match request.target.strip_prefix(BASE_PATH).unwrap() {
            "/Practitioner/1" => Reply::json(200, r#"{"resourceType":"Practitioner","id":"1","gender":"female","active":true}"#),
            "/Observation/of-another" => Reply::json(200, r#"{"resourceType":"Observation","id":"of-another","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p2"}}"#),
            "/Observation/own" => Reply::json(200, r#"{"resourceType":"Observation","id":"own","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#),
            path if path.starts_with("/metadata") => Reply::json(404, "{}"),
            _ => Reply::json(200, r#"{"resourceType":"Bundle","type":"searchset","total":0}"#),
        }
    })
    .await;
    let mut tokens = json!({"access_token": "a"});
    for (name, value) in grant.as_object().unwrap() {
        tokens[name] = value.clone();
    }
    let tokens: TokenSet = serde_json::from_value(tokens).unwrap();
    let ehr = Ehr::good().await;
    let credential = TokenCredential::of_user(Arc::new(ehr.client()), tokens, None);
    let options = HttpOptions {
        credential: Some(Arc::new(credential) as Arc<dyn Credential>),
        ..HttpOptions::new(fhir.base())
    };
    let source = Source::Http(HttpClient::new(options).unwrap());
    let options = Options {
        allow_writes: true,
        writes: WriteOptions {
            without_confirmation: true,
            ..WriteOptions::default()
        },
        ..Options::default()
    };
    let server = mcp::FhirServer::new(source, options);
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
    (().serve(near).await.unwrap(), fhir)
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
    arguments: Value,
) -> (bool, String) {
    let arguments = arguments.as_object().unwrap().clone();
    let call = CallToolRequestParams::new(tool).with_arguments(arguments);
    let answer = client.call_tool(call).await.unwrap();
    let text = answer.content[0].as_text().unwrap().text.clone();
    (answer.is_error == Some(false), text)
}

/// Targets of all requests but those for capabilities.
fn targets(fhir: &FhirServer) -> Vec<String> {
    let requests = fhir.requests().into_iter();
    let targets = requests.map(|request| request.target[BASE_PATH.len()..].to_owned());
    targets
        .filter(|target| !target.starts_with("/metadata"))
        .collect()
}

#[tokio::test]
async fn granted_scopes_limit_the_tools() {
    let (client, fhir) = session(json!({"scope": "user/Observation.rs user/Patient.u"})).await;
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert!(names.contains(&"search") && names.contains(&"read") && names.contains(&"update"));
    assert!(!names.contains(&"create") && !names.contains(&"delete"));
    let refused = [
        (
            "create",
            json!({"type": "Observation", "payload": {"resourceType": "Observation"}}),
        ),
        ("delete", json!({"type": "Observation", "id": "1"})),
        ("read", json!({"type": "Patient", "id": "1"})),
        (
            "search",
            json!({"type": "Patient", "searchParam": {"name": "x"}}),
        ),
        (
            "read",
            json!({"type": "Patient", "id": "1", "operation": "Condition"}),
        ),
    ];
    for (tool, arguments) in refused {
        let (ok, text) = call(&client, tool, arguments).await;
        assert!(!ok && text.contains("forbidden"), "{tool}: {text}");
    }
    assert!(targets(&fhir).is_empty(), "{:?}", targets(&fhir));
    let (ok, text) = call(&client, "read", json!({"type": "Observation", "id": "own"})).await;
    assert!(ok, "{text}");
}

#[tokio::test]
async fn a_launch_for_a_patient_limits_the_tools() {
    let (client, fhir) = session(json!({"scope": "user/*.cruds", "patient": "p1"})).await;
    let refused = [
        ("read", json!({"type": "Patient", "id": "p2"})),
        (
            "search",
            json!({"type": "Observation", "searchParam": {"patient": "p2"}}),
        ),
        (
            "create",
            json!({"type": "Patient", "payload": {"resourceType": "Patient"}}),
        ),
        ("delete", json!({"type": "Patient", "id": "p2"})),
    ];
    for (tool, arguments) in refused {
        let (ok, text) = call(&client, tool, arguments).await;
        assert!(!ok && text.contains("Patient/p1"), "{tool}: {text}");
    }
    assert!(targets(&fhir).is_empty());
    let (ok, text) = call(
        &client,
        "search",
        json!({"type": "Observation", "searchParam": {"code": "x"}}),
    )
    .await;
    assert!(ok, "{text}");
    assert!(
        targets(&fhir)[0].ends_with("&patient=p1"),
        "{:?}",
        targets(&fhir)
    );
    let (ok, text) = call(
        &client,
        "read",
        json!({"type": "Observation", "id": "of-another"}),
    )
    .await;
    assert!(!ok && !text.contains("p2"), "{text}");
    let (ok, text) = call(&client, "read", json!({"type": "Observation", "id": "own"})).await;
    assert!(ok, "{text}");
}

#[tokio::test]
async fn get_user_gives_the_fields_of_the_contract() {
    let (client, fhir) = session(json!({"user": "Practitioner/1"})).await;
    let (ok, text) = call(&client, "get_user", json!({})).await;
    assert!(ok, "{text}");
    let user: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        user,
        json!({"id": "1", "resourceType": "Practitioner", "gender": "female"})
    );
    assert_eq!(targets(&fhir), ["/Practitioner/1"]);
}

#[tokio::test]
async fn a_user_elsewhere_is_not_fetched() {
    let (client, fhir) = session(json!({"user": "https://evil.example/Practitioner/1"})).await;
    let (ok, text) = call(&client, "get_user", json!({})).await;
    assert!(ok && text.contains("note"), "{text}");
    assert!(targets(&fhir).is_empty() && !text.contains(CLIENT));
}
