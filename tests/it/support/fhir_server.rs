//! A FHIR server on loopback that records every request and answers by script.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use url::Url;

/// Path of the service base on every such server.
pub(crate) const BASE_PATH: &str = "/fhir/r4";

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query, not decoded.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What the script wants done with a request.
pub(crate) enum Reply {
    Answer(Response),
    /// The same, once somebody says so.
    Held(Response, Arc<Notify>),
    /// Keep the connection open and say nothing.
    Silence,
}

impl Reply {
    /// An answer with FHIR JSON.
    pub(crate) fn json(status: u16, body: impl Into<Body>) -> Self {
        Self::with_headers(status, &[("content-type", "application/fhir+json")], body)
    }

    /// The same as plain JSON.
    pub(crate) fn into_json(self) -> Self {
        match self {
            Self::Answer(mut response) => {
                let json = axum::http::HeaderValue::from_static("application/json");
                response.headers_mut().insert("content-type", json);
                Self::Answer(response)
            }
            other => other,
        }
    }

    /// The same answer, once somebody says so.
    pub(crate) fn held(self, until: Arc<Notify>) -> Self {
        match self {
            Self::Answer(response) => Self::Held(response, until),
            other => other,
        }
    }

    pub(crate) fn with_headers(
        status: u16,
        headers: &[(&'static str, &str)],
        body: impl Into<Body>,
    ) -> Self {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Self::Answer(response.body(body.into()).unwrap())
    }
}

/// The server; it stops when dropped.
pub(crate) struct FhirServer {
    port: u16,
    log: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

#[derive(Clone)]
struct Shared {
    log: Arc<Mutex<Vec<Request>>>,
    script: Arc<Script>,
}

impl FhirServer {
    /// Starts on a free port. The script gets the number of the request, from 0.
    pub(crate) async fn start(
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::<Mutex<Vec<Request>>>::default();
        let shared = Shared {
            log: Arc::clone(&log),
            script: Arc::new(script),
        };
        let app = Router::new().fallback(answer).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, log, task }
    }

    /// Starts a server that gives every request the same answer.
    pub(crate) async fn always(status: u16, body: &'static str) -> Self {
        Self::start(move |_, _| Reply::json(status, body)).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn base(&self) -> Url {
        let url = format!("http://127.0.0.1:{}{BASE_PATH}", self.port);
        url.parse().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for FhirServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        method,
        target: uri.to_string(),
        headers,
        body,
    };
    let number = {
        let mut log = shared.log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    match (shared.script)(number, &request) {
        Reply::Answer(response) => response.into_response(),
        Reply::Held(response, until) => {
            until.notified().await;
            response.into_response()
        }
        Reply::Silence => std::future::pending().await,
    }
}
