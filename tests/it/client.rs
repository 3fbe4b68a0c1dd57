//! FHIR over HTTP against a server on loopback.

use std::{
    io::Write,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use fhir_mcp_server::client::{
    ClientError, FixedHeaders, HttpClient, HttpOptions, Interaction, Secret, Source,
};
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::fhir_server::{FhirServer, Reply};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;
const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"searchset"}"#;
const CAPABILITIES: &str = include_str!("support/capability_statement.json");

#[tokio::test]
async fn each_interaction_is_sent_as_the_specification_says() {
    let server = FhirServer::always(200, PATIENT).await;
    let client = client(&server);
    let parameters = vec![pair("name", "a|b"), pair("name", "c")];
    let sent = [
        (search(&parameters), "GET", "/Patient?name=a%7Cb&name=c"),
        (read("1"), "GET", "/Patient/1"),
        (create(), "POST", "/Patient"),
        (update(Some("1")), "PUT", "/Patient/1"),
        (update(None), "PUT", "/Patient"),
        (delete("1"), "DELETE", "/Patient/1"),
        (Interaction::Capabilities, "GET", "/metadata?_format=json"),
    ];
    for (interaction, ..) in &sent {
        assert_eq!(client.send(interaction).await.unwrap().status, 200);
    }

    let requests = server.requests();
    assert_eq!(requests.len(), sent.len());
    for (request, (interaction, method, target)) in requests.iter().zip(&sent) {
        assert_eq!(request.method.as_str(), *method);
        assert_eq!(request.target, format!("/fhir/r4{target}"));
        assert_eq!(request.header("accept"), Some("application/fhir+json"));
        assert!(request.header("x-correlation-id").is_some());
        assert!(request.header("x-request-id").is_some());
        let agent = request.header("user-agent").unwrap();
        assert!(agent.starts_with("fhir-mcp-server/"), "{agent}");
        let has_body = matches!(*method, "POST" | "PUT");
        let media_type = has_body.then_some("application/fhir+json");
        assert_eq!(request.header("content-type"), media_type);
        assert_eq!(request.body.is_empty(), !has_body);
        let is_search = matches!(interaction, Interaction::Search { .. });
        let prefer = is_search.then_some("handling=strict");
        assert_eq!(request.header("prefer"), prefer);
    }
}

#[tokio::test]
async fn what_the_headers_say_is_in_the_answer() {
    let server = FhirServer::start(|_, _| {
        let headers = [
            ("content-type", "Application/FHIR+json; charset=utf-8"),
            ("location", "https://elsewhere.example/Patient/1/_history/1"),
            ("etag", "W/\"1\""),
            ("retry-after", "7"),
        ];
        Reply::with_headers(409, &headers, "x")
    })
    .await;
    let answer = client(&server).send(&read("1")).await.unwrap();
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.content_type.as_deref(),
        Some("application/fhir+json")
    );
    assert!(answer.location.unwrap().ends_with("/Patient/1/_history/1"));
    assert_eq!(answer.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(answer.body, b"x");
}

#[tokio::test]
async fn a_get_is_repeated_until_the_server_is_ready() {
    for status in [429, 503] {
        let server = FhirServer::start(move |number, _| match number {
            0 => Reply::with_headers(status, &[("retry-after", "1")], ""),
            1 => Reply::json(status, ""),
            _ => Reply::json(200, PATIENT),
        })
        .await;
        let answer = client(&server).send(&read("1")).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_get_is_repeated_three_times_at_most() {
    let server = FhirServer::always(503, "").await;
    let answer = client(&server).send(&search(&[])).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_long_retry_after_is_handed_back() {
    let server =
        FhirServer::start(|_, _| Reply::with_headers(429, &[("retry-after", "3600")], "")).await;
    let answer = client(&server).send(&read("1")).await.unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    for status in [400, 401, 403, 404, 410, 412, 422, 500, 502, 504] {
        let server = FhirServer::always(status, "").await;
        let answer = client(&server).send(&read("1")).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_write_is_never_repeated() {
    let unready = FhirServer::always(503, "").await;
    let silent = FhirServer::start(|_, _| Reply::Silence).await;
    let options = HttpOptions {
        timeout: Duration::from_millis(200),
        ..HttpOptions::new(silent.base())
    };
    let impatient = HttpClient::new(options).unwrap();
    let writes = [create(), update(Some("1")), delete("1")];
    for write in &writes {
        let answer = client(&unready).send(write).await.unwrap();
        assert_eq!(answer.status, 503);
        let error = impatient.send(write).await.unwrap_err();
        assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    }
    assert_eq!(unready.requests().len(), writes.len());
    assert_eq!(silent.requests().len(), writes.len());
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_for_reads_alone() {
    let (port, connections) = breaking_server(2).await;
    let client = client_of(&format!("http://127.0.0.1:{port}/fhir"));
    let error = client.send(&create()).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    let answer = client.send(&read("1")).await.unwrap();
    assert_eq!(answer.body, PATIENT.as_bytes());
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_absent_server_is_an_error_that_names_its_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = client_of(&format!("http://{host}/fhir"));
    let error = client.send(&read("secret-id")).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&host), "{error}");
    assert!(!error.to_string().contains("secret-id"), "{error}");
}

#[tokio::test]
async fn a_silent_server_ends_in_a_timeout() {
    let server = FhirServer::start(|_, _| Reply::Silence).await;
    let client = impatient(&server);
    let error = client.send(&read("1")).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_never_ends_ends_in_a_timeout() {
    let server = FhirServer::start(|_, _| {
        let drip = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        Reply::json(200, axum::body::Body::from_stream(drip))
    })
    .await;
    let error = impatient(&server).send(&read("1")).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FhirServer::always(200, PATIENT).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/Patient/1?secret=1", elsewhere.base());
        let server = FhirServer::start(move |_, _| {
            Reply::with_headers(status, &[("location", location.as_str())], "")
        })
        .await;
        for interaction in [read("1"), create(), delete("1")] {
            let error = client(&server).send(&interaction).await.unwrap_err();
            let host = format!("127.0.0.1:{}", elsewhere.port());
            assert!(error.to_string().contains(&host), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(matches!(error, ClientError::Redirect { .. }), "{error}");
        }
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn the_size_limit_counts_decompressed_bytes() {
    let limit = 1024 * 1024;
    for (size, fits) in [(limit, true), (limit + 1, false), (64 * limit, false)] {
        for gzip in [false, true] {
            let body = filled(size, gzip);
            let server = FhirServer::start(move |_, request| {
                assert_eq!(request.header("accept-encoding"), Some("gzip"));
                let encoding = if gzip { "gzip" } else { "identity" };
                Reply::with_headers(200, &[("content-encoding", encoding)], body.clone())
            })
            .await;
            let options = HttpOptions {
                max_body: limit,
                ..HttpOptions::new(server.base())
            };
            match HttpClient::new(options).unwrap().send(&read("1")).await {
                Ok(answer) => assert!(fits && answer.body.len() == size),
                Err(ClientError::TooLarge { limit: at }) => assert!(!fits && at == limit),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn damaged_compression_is_an_error() {
    let server = FhirServer::start(|_, _| {
        Reply::with_headers(200, &[("content-encoding", "gzip")], "no gzip at all")
    })
    .await;
    let error = client(&server).send(&read("1")).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn the_token_goes_to_the_base_alone() {
    let elsewhere = FhirServer::always(200, BUNDLE).await;
    let server = FhirServer::always(200, BUNDLE).await;
    let client = with_token(&server);
    let outside = [
        format!("{}/Patient?p=2", elsewhere.base()),
        format!("//127.0.0.1:{}/fhir/r4/Patient", elsewhere.port()),
        format!("http://127.0.0.1:{}/admin", server.port()),
        format!("http://localhost:{}/fhir/r4/Patient", server.port()),
        "/fhir/r4/../admin".to_owned(),
    ];
    for link in outside {
        let error = client.send(&Interaction::NextPage { link }).await;
        assert!(matches!(error, Err(ClientError::OutsideBase)), "{error:?}");
    }
    assert!(server.requests().is_empty());

    let within = format!("{}?_getpages=1", server.base());
    for interaction in [Interaction::NextPage { link: within }, read("1"), create()] {
        client.send(&interaction).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.header("authorization"), Some("Bearer canary"));
    }
    assert!(elsewhere.requests().is_empty());
    assert!(!format!("{client:?}").contains("canary"));
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_refused() {
    let error = FixedHeaders::bearer(&Secret::new("a\r\nx: y")).unwrap_err();
    assert!(matches!(error, ClientError::InvalidToken), "{error}");
}

#[tokio::test]
async fn capabilities_are_asked_for_without_the_token_unless_the_server_wants_it() {
    let open = FhirServer::always(200, CAPABILITIES).await;
    with_token(&open).capabilities().await.unwrap();
    let closed = FhirServer::start(|_, request| match request.header("authorization") {
        Some(_) => Reply::json(200, CAPABILITIES),
        None => Reply::json(401, ""),
    })
    .await;
    with_token(&closed).capabilities().await.unwrap();
    let sent = |server: &FhirServer| -> Vec<bool> {
        let requests = server.requests();
        let token = requests
            .iter()
            .map(|it| it.header("authorization").is_some());
        token.collect()
    };
    assert_eq!(sent(&open), [false]);
    assert_eq!(sent(&closed), [false, true]);
    let gateway = FhirServer::start(|_, request| match request.header("authorization") {
        Some(_) => Reply::json(200, CAPABILITIES),
        None => Reply::json(403, ""),
    })
    .await;
    with_token(&gateway).capabilities().await.unwrap();
    assert_eq!(sent(&gateway), [false, true]);
    let error = client(&closed).capabilities().await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn capabilities_are_fetched_once_and_errors_are_not_kept() {
    let server = FhirServer::start(|number, _| match number {
        0 => Reply::json(500, ""),
        _ => Reply::json(200, CAPABILITIES),
    })
    .await;
    let source = Source::Http(client(&server));
    source.capabilities().await.unwrap_err();
    let (first, second) = tokio::join!(source.capabilities(), source.capabilities());
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    assert_eq!(server.requests().len(), 2);

    let capabilities = source.capabilities().await.unwrap();
    assert_eq!(capabilities.fhir_version, "4.0.1");
    assert_eq!(capabilities.software.as_deref(), Some("Example"));
    assert_eq!(capabilities.search_params[0].name, "_id");
    assert_eq!(capabilities.operations[0].name, "export");
    let patient = capabilities.resource("Patient").unwrap();
    assert!(patient.supports("search-type") && !patient.supports("delete"));
    assert_eq!(patient.search_params[0].name, "birthdate");
    assert_eq!(patient.search_params[0].kind, "date");
    assert_eq!(
        patient.search_params[0].documentation.as_deref(),
        Some("The day of birth")
    );
    assert_eq!(patient.operations[0].name, "everything");
    assert_eq!(patient.search_include, ["Patient:general-practitioner"]);
    assert_eq!(patient.search_rev_include, ["Observation:subject"]);
    assert!(capabilities.resource("Basic").is_none());
}

fn client(server: &FhirServer) -> HttpClient {
    HttpClient::new(HttpOptions::new(server.base())).unwrap()
}

fn client_of(base: &str) -> HttpClient {
    HttpClient::new(HttpOptions::new(base.parse().unwrap())).unwrap()
}

fn impatient(server: &FhirServer) -> HttpClient {
    let options = HttpOptions {
        timeout: Duration::from_millis(200),
        ..HttpOptions::new(server.base())
    };
    HttpClient::new(options).unwrap()
}

fn with_token(server: &FhirServer) -> HttpClient {
    let credential = FixedHeaders::bearer(&Secret::new("canary")).unwrap();
    let options = HttpOptions {
        credential: Some(Arc::new(credential)),
        ..HttpOptions::new(server.base())
    };
    HttpClient::new(options).unwrap()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn search(parameters: &[(String, String)]) -> Interaction {
    Interaction::Search {
        resource_type: "Patient".to_owned(),
        parameters: parameters.to_vec(),
    }
}

fn read(id: &str) -> Interaction {
    Interaction::Read {
        resource_type: "Patient".to_owned(),
        id: id.to_owned(),
        operation: None,
        parameters: Vec::new(),
    }
}

fn create() -> Interaction {
    Interaction::Create {
        resource_type: "Patient".to_owned(),
        operation: None,
        parameters: Vec::new(),
        body: PATIENT.to_owned(),
    }
}

fn update(id: Option<&str>) -> Interaction {
    Interaction::Update {
        resource_type: "Patient".to_owned(),
        id: id.map(ToOwned::to_owned),
        operation: None,
        parameters: Vec::new(),
        if_match: None,
        body: PATIENT.to_owned(),
    }
}

fn delete(id: &str) -> Interaction {
    Interaction::Delete {
        resource_type: "Patient".to_owned(),
        id: Some(id.to_owned()),
        operation: None,
        parameters: Vec::new(),
        if_match: None,
    }
}

/// Blanks, which compress about a thousandfold.
fn filled(size: usize, gzip: bool) -> Vec<u8> {
    let blanks = vec![b' '; size];
    if !gzip {
        return blanks;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&blanks).unwrap();
    encoder.finish().unwrap()
}

/// A server that reads a request and closes the connection without a word, as
/// often as told, and answers from then on. Gives its port and the number of
/// connections that it has had.
async fn breaking_server(breaks: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let _request = stream.read(&mut [0; 4096]).await.unwrap();
            if number >= breaks {
                let length = PATIENT.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(PATIENT.as_bytes()).await.unwrap();
            }
        }
    });
    (port, connections)
}
