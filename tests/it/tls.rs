//! TLS towards the FHIR server and its authorization server: which certificates
//! are believed, and ours that is asked for.

use std::path::Path;

use fhir_mcp_server::{
    auth::smart::{Authentication, SmartClient, SmartOptions},
    client::{ClientError, HttpClient, HttpOptions, Interaction, Secret, Tls},
    config::env,
};
use serde_json::json;

use crate::support::{
    program,
    running::Running,
    tls_server::{Authority, Identity, Seen, TlsServer},
};

const LOOPBACK: &str = "127.0.0.1";

fn tls(authority: Option<&Authority>, identity: Option<&Identity>) -> Tls {
    Tls {
        roots: authority.map(|authority| authority.pem().to_owned()),
        identity: identity
            .map(|identity| Secret::new(format!("{}\n{}", identity.certificate, identity.key))),
    }
}

/// Reads a patient; the status, or why there is none.
async fn read(server: &TlsServer, tls: Tls) -> Result<u16, ClientError> {
    let client = HttpClient::new(HttpOptions {
        tls,
        ..HttpOptions::new(server.base())
    });
    let interaction = Interaction::Read {
        resource_type: "Patient".to_owned(),
        id: "p1".to_owned(),
        operation: None,
        parameters: Vec::new(),
    };
    let answer = client.unwrap().send(&interaction).await?;
    Ok(answer.status)
}

/// No answer comes: the connection is refused, by us or (after its beginning,
/// since TLS 1.3) by the server.
async fn is_refused(server: &TlsServer, tls: Tls, case: &str) {
    let result = read(server, tls).await;
    let refused = matches!(
        result,
        Err(ClientError::Connect { .. } | ClientError::Interrupted { .. })
    );
    assert!(refused, "{case}: {result:?}");
    assert_eq!(server.seen(), [], "{case}");
}

#[tokio::test]
async fn a_server_is_believed_whose_authority_is_trusted() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.identity(LOOPBACK), None).await;
    assert_eq!(
        read(&server, tls(Some(&authority), None)).await.unwrap(),
        200
    );
    let seen = Seen {
        request: "GET /fhir/r4/Patient/p1".to_owned(),
        has_certificate: false,
    };
    assert_eq!(server.seen(), [seen]);
}

#[tokio::test]
async fn no_other_server_is_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let trusted = || tls(Some(&authority), None);
    let good = authority.identity(LOOPBACK);
    let cases = [
        ("an authority that nobody trusts", good, tls(None, None)),
        ("another authority", other.identity(LOOPBACK), trusted()),
        ("another name", authority.identity("localhost"), trusted()),
        (
            "another address",
            authority.identity("127.0.0.2"),
            trusted(),
        ),
        (
            "expired",
            authority.identity_until(LOOPBACK, 2020),
            trusted(),
        ),
    ];
    let count = cases.len();
    for (case, identity, tls) in cases {
        let server = TlsServer::start(&identity, None).await;
        is_refused(&server, tls, case).await;
    }
    println!("TLS: {count} certificates that are refused");
}

#[tokio::test]
async fn our_certificate_is_shown_where_it_is_asked_for() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = TlsServer::start(&authority.identity(LOOPBACK), Some(&clients)).await;
    let ours = clients.identity("client");
    let strange = authority.identity("client");
    for (case, identity) in [("none", None), ("one of another authority", Some(&strange))] {
        is_refused(&server, tls(Some(&authority), identity), case).await;
    }
    let tls = tls(Some(&authority), Some(&ours));
    assert_eq!(read(&server, tls).await.unwrap(), 200);
    assert!(server.seen()[0].has_certificate);
}

#[tokio::test]
async fn it_is_shown_to_the_token_endpoint_too() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = TlsServer::start(&authority.identity(LOOPBACK), Some(&clients)).await;
    let client = |tls| {
        SmartClient::new(SmartOptions {
            base: server.base(),
            client_id: "c".to_owned(),
            authentication: Authentication::Secret(Secret::new("s")),
            scope: "system/*.rs".to_owned(),
            tls,
            headers: Vec::new(),
        })
        .unwrap()
    };
    let without = client(tls(Some(&authority), None));
    without.client_credentials().await.unwrap_err();
    assert_eq!(server.seen(), []);
    let with = client(tls(Some(&authority), Some(&clients.identity("client"))));
    with.client_credentials().await.unwrap();
    let requests: Vec<String> = server.seen().into_iter().map(|seen| seen.request).collect();
    let expected = [
        "GET /fhir/r4/.well-known/smart-configuration",
        "POST /token",
    ];
    assert_eq!(requests, expected);
    assert!(server.seen().iter().all(|seen| seen.has_certificate));
}

/// Calls a tool of the binary with these files; whether it succeeds.
fn call(folder: &Path, base: &str, files: &[(&str, &str)]) -> (bool, String) {
    let mut command = program::program(folder);
    command
        .args(["--transport", "stdio"])
        .env(env::SERVER_BASE_URL, base);
    command.envs(files.iter().copied());
    let mut server = Running::start(&mut command);
    server.initialize();
    server.call(1, "read", &json!({"type": "Patient", "id": "p1"}));
    let answer = server.answer();
    let result = &answer["result"];
    (result["isError"] == false, result.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_reach_the_connection() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = TlsServer::start(&authority.identity(LOOPBACK), Some(&clients)).await;
    let ours = clients.identity("client");
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("client.pem", &ours.certificate),
        ("client-key.pem", &ours.key),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let base = server.base();
    let files = [
        (env::AUTH_CA_FILE, "ca.pem"),
        (env::AUTH_CLIENT_CERT_FILE, "client.pem"),
        (env::AUTH_CLIENT_KEY_FILE, "client-key.pem"),
    ];
    let (succeeded, text) = call(folder.path(), base.as_str(), &files);
    assert!(succeeded, "{text}");
    for fewer in [&files[..1], &files[1..], &[]] {
        let (succeeded, text) = call(folder.path(), base.as_str(), fewer);
        assert!(!succeeded, "{fewer:?}");
        assert!(!text.contains("BEGIN"), "{text}");
    }
    assert_eq!(server.seen().len(), 1);
}
