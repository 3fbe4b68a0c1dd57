//! FHIR servers that are too large, too slow or broken: each ends in an error
//! that says so, after few requests, and harms nothing that comes later.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fhir_mcp_server::{
    client::{
        BodyError, ClientError, Decoded, Expectation, HttpClient, HttpOptions, Interaction, decode,
    },
    validation::Validator,
};
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const LIMIT: usize = 1024 * 1024;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;

/// What a server does with a connection once a request has come.
#[derive(Clone)]
enum Behaviour {
    /// Writes this and closes.
    Writes(Vec<u8>),
    /// Writes this and then a byte at a time, for ever.
    Drips(Vec<u8>, u8),
    /// Writes this and then this again and again, for ever.
    Floods(Vec<u8>, Vec<u8>),
    /// Says nothing.
    IsSilent,
}

/// What the client must make of it.
#[derive(Clone, Copy, Debug)]
enum Expected {
    TooLarge,
    Timeout,
    /// A connection that broke, or no HTTP.
    Broken,
    /// An answer with this status.
    Status(u16),
    /// A body that is not what was asked for, by the start of its message.
    Body(&'static str),
}

struct Case {
    name: &'static str,
    behaviour: Behaviour,
    is_write: bool,
    expected: Expected,
    /// Requests at most.
    requests: usize,
}

fn case(name: &'static str, behaviour: Behaviour, expected: Expected) -> Case {
    Case {
        name,
        behaviour,
        is_write: false,
        expected,
        requests: 1,
    }
}

/// The same for a server that may be asked again.
fn again(name: &'static str, behaviour: Behaviour, expected: Expected) -> Case {
    Case {
        requests: 4,
        ..case(name, behaviour, expected)
    }
}

/// The same for a write, which is never sent twice.
fn write(name: &'static str, behaviour: Behaviour, expected: Expected) -> Case {
    Case {
        is_write: true,
        ..case(name, behaviour, expected)
    }
}

/// An answer with these header lines, and the length of its body.
fn answer(status: u16, headers: &str, body: &[u8]) -> Behaviour {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
    Behaviour::Writes([head.as_bytes(), body].concat())
}

fn raw(text: &str) -> Behaviour {
    Behaviour::Writes(text.as_bytes().to_vec())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

fn sizes() -> Vec<Case> {
    let bomb = gzip(&vec![b' '; 64 * LIMIT]);
    let twice = gzip(&bomb);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n", vec![b' '; 0x10000].as_slice(), b"\r\n"].concat();
    let truncated = gzip(PATIENT.as_bytes());
    let long_header = format!("X: {}\r\n", "a".repeat(LIMIT));
    use Expected::{Body, Broken, TooLarge};
    vec![
        case(
            "one byte too much",
            answer(200, "", &vec![b' '; LIMIT + 1]),
            TooLarge,
        ),
        case(
            "chunks without end",
            Behaviour::Floods(head, chunk),
            TooLarge,
        ),
        case(
            "an announced terabyte",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n"),
            TooLarge,
        ),
        case("a bomb of 64 MiB", answer(200, GZIP, &bomb), TooLarge),
        case(
            "a bomb in a bomb",
            answer(200, GZIP, &twice),
            Body("the answer is not JSON"),
        ),
        case(
            "damaged compression",
            answer(200, GZIP, b"no gzip at all"),
            Broken,
        ),
        case(
            "compression that breaks off",
            answer(200, GZIP, &truncated[..truncated.len() / 2]),
            Broken,
        ),
        again(
            "a header of 1 MiB",
            answer(200, &long_header, b"{}"),
            Broken,
        ),
        again(
            "headers without end",
            Behaviour::Floods(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(1000)),
            Broken,
        ),
        case(
            "an error page too large",
            answer(500, "", &vec![b'x'; LIMIT + 1]),
            TooLarge,
        ),
    ]
}

fn slowness() -> Vec<Case> {
    use Expected::{Status, Timeout};
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    vec![
        case("silence", Behaviour::IsSilent, Timeout),
        case(
            "a head that drips",
            Behaviour::Drips(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), b'a'),
            Timeout,
        ),
        case(
            "a body that drips",
            Behaviour::Drips(head.clone(), b' '),
            Timeout,
        ),
        write("silence after a write", Behaviour::IsSilent, Timeout),
        write(
            "a body that drips after a write",
            Behaviour::Drips(head, b' '),
            Timeout,
        ),
        again("busy for ever", answer(429, "", b""), Status(429)),
        again(
            "unavailable for ever",
            answer(503, "Retry-After: 0\r\n", b""),
            Status(503),
        ),
        case(
            "come back in an hour",
            answer(503, "Retry-After: 3600\r\n", b""),
            Status(503),
        ),
        case(
            "come back in 2999",
            answer(429, "Retry-After: Tue, 31 Dec 2999 23:59:59 GMT\r\n", b""),
            Status(429),
        ),
        write(
            "unavailable for a write",
            answer(503, "Retry-After: 0\r\n", b""),
            Status(503),
        ),
    ]
}

fn breaks() -> Vec<Case> {
    use Expected::{Body, Broken};
    let deep = "[".repeat(100_000);
    let depth = format!(
        r#"{{"resourceType":"Patient","extension":{}{}}}"#,
        "[".repeat(129),
        "]".repeat(129)
    );
    vec![
        again("closed without a word", raw(""), Broken),
        write("closed without a word after a write", raw(""), Broken),
        again("a body that breaks off", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), Broken),
        again("no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Broken),
        again("a status that is none", raw("HTTP/1.1 99999 X\r\n\r\n"), Broken),
        again("two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"), Broken),
        case("brackets 100,000 deep", answer(200, "", deep.as_bytes()), Body("the answer is")),
        case("129 levels", answer(200, "", depth.as_bytes()), Body("the answer is JSON nested")),
        case("a web page", answer(200, "", b"<!DOCTYPE html><p>login"), Body("the answer is an HTML page")),
        case("XML with entities", answer(200, "", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Patient>&x;</Patient>"), Body("the answer is XML")),
        case("nothing", answer(200, "", b""), Body("the answer is empty")),
        case("JSON that breaks off", answer(200, "", b"{\"resourceType\":\"Pat"), Body("the answer is JSON that breaks off")),
        case("no JSON", answer(200, "", b"\xff\xfe\x00\x01"), Body("the answer is not JSON")),
        case("another type", answer(200, "", br#"{"resourceType":"Observation","id":"1"}"#), Body("the answer is of type")),
        case("another resource", answer(200, "", br#"{"resourceType":"Patient","id":"2"}"#), Body("the answer is another resource")),
        case("JSON that is no resource", answer(200, "", br#"{"id":"1"}"#), Body("the answer is JSON but no FHIR")),
    ]
}

#[tokio::test]
async fn bad_servers_end_in_errors_that_say_so() {
    let mut cases = sizes();
    cases.extend(slowness());
    cases.extend(breaks());
    for case in &cases {
        let result = tokio::time::timeout(Duration::from_secs(60), try_out(case)).await;
        result.expect(case.name);
    }
    println!(
        "size, bomb, slow and broken upstreams: {} cases",
        cases.len()
    );
    assert!(cases.len() >= 22);
}

async fn try_out(case: &Case) {
    let (port, requests) = serve(case.behaviour.clone()).await;
    let base = format!("http://127.0.0.1:{port}/fhir").parse().unwrap();
    let slow = matches!(case.expected, Expected::Timeout);
    let options = HttpOptions {
        max_body: LIMIT,
        timeout: Duration::from_millis(if slow { 300 } else { 20_000 }),
        ..HttpOptions::new(base)
    };
    let client = HttpClient::new(options).unwrap();
    let interaction = if case.is_write {
        Interaction::Create {
            resource_type: "Patient".to_owned(),
            operation: None,
            parameters: Vec::new(),
            body: PATIENT.to_owned(),
        }
    } else {
        Interaction::Read {
            resource_type: "Patient".to_owned(),
            id: "1".to_owned(),
            operation: None,
            parameters: Vec::new(),
        }
    };
    let result = client.send(&interaction).await;
    let fits = match (&result, case.expected) {
        (Err(ClientError::TooLarge { limit }), Expected::TooLarge) => *limit == LIMIT,
        (Err(ClientError::Timeout { .. }), Expected::Timeout)
        | (Err(ClientError::Interrupted { .. } | ClientError::Protocol { .. }), Expected::Broken) => {
            true
        }
        (Ok(answer), Expected::Status(status)) => answer.status == status,
        (Ok(answer), Expected::Body(start)) => {
            match decode(
                answer,
                &Expectation::of(&interaction),
                &Validator::default(),
            ) {
                Err(error @ BodyError::Http(_)) => panic!("{}: {error}", case.name),
                Err(error) => error.to_string().starts_with(start),
                Ok(Decoded::Nothing | Decoded::Resource(_)) => false,
            }
        }
        _ => false,
    };
    assert!(
        fits,
        "{}: {:?} expected, found {result:?}",
        case.name, case.expected
    );
    let requests = requests.load(Ordering::SeqCst);
    assert!(
        (1..=case.requests).contains(&requests),
        "{}: {requests} requests",
        case.name
    );
}

/// A server with one behaviour. Gives its port and how many requests it has had.
async fn serve(behaviour: Behaviour) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (behaviour, counter) = (behaviour.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let length = stream.read(&mut [0; 8192]).await.unwrap_or(0);
                if length > 0 {
                    counter.fetch_add(1, Ordering::SeqCst);
                    behave(&mut stream, behaviour).await;
                }
            });
        }
    });
    (port, requests)
}

async fn behave(stream: &mut TcpStream, behaviour: Behaviour) {
    // That the client leaves is what is to happen.
    match behaviour {
        Behaviour::Writes(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Behaviour::Drips(bytes, byte) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&[byte]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Behaviour::Floods(bytes, more) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&more).await.is_ok() {}
        }
        Behaviour::IsSilent => std::future::pending().await,
    }
}
