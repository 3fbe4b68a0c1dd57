//! HTTP with server-sent events, the
//! [HTTP transport of the protocol version 2024-11-05](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse):
//! `GET /sse` opens a stream of answers and names the path that messages go to,
//! `/messages/?session_id=…`.
//!
//! A session ends when its stream does, and after half an hour without a
//! message from the client.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, StatusCode, request::Parts},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures::{SinkExt, Stream, StreamExt, channel::mpsc, stream};
use rmcp::{
    ServerHandler,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    service::serve_server_with_ct,
    transport::sink_stream::SinkStreamTransport,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    http::{MAX_REQUEST_BODY, MAX_SESSIONS, busy},
    lifecycle::FromFirstRequest,
};
use crate::auth::Caller;

/// Messages that wait in one direction of a session.
const CHANNEL_CAPACITY: usize = 16;
/// Time without a message from the client after which a session ends.
const MAX_IDLE: Duration = Duration::from_secs(30 * 60);
/// Time between comments that keep a stream open through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The routes. `stop` ends all sessions.
pub(super) fn router<H: ServerHandler + Clone>(handler: H, stop: &CancellationToken) -> Router {
    let sessions = Sessions::default();
    let open = {
        let (sessions, stop) = (sessions.clone(), stop.clone());
        move |caller: Option<Extension<Caller>>| async move {
            let principal = caller.map(|Extension(caller)| caller.principal);
            open(handler, &sessions, principal, stop)
        }
    };
    Router::new()
        .route("/sse", get(open))
        .route("/messages", post(receive))
        .route("/messages/", post(receive))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BODY))
        .with_state(sessions)
}

/// Begins a session: the answer is its stream.
fn open<H: ServerHandler>(
    handler: H,
    sessions: &Sessions,
    principal: Option<String>,
    stop: CancellationToken,
) -> Response {
    let (to_server, from_client) = mpsc::channel(CHANNEL_CAPACITY);
    let (to_client, from_server) = mpsc::channel(CHANNEL_CAPACITY);
    let Some(session) = sessions.open(to_server, principal) else {
        return busy("Too many sessions are open.");
    };
    let endpoint = Event::default()
        .event("endpoint")
        .data(format!("/messages/?session_id={}", session.id.simple()));
    let events = stream::once(async { endpoint })
        .chain(from_server.map(|message| event(&message)))
        .map(Ok::<_, Infallible>)
        .take_until(session.end(stop.clone()));
    let transport = SinkStreamTransport::new(to_client, from_client);
    tokio::spawn(serve(handler, transport, stop));
    (
        [(HeaderName::from_static("x-accel-buffering"), "no")],
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    )
        .into_response()
}

/// Serves one session until either side of its transport closes.
async fn serve<H: ServerHandler>(
    handler: H,
    transport: SinkStreamTransport<
        mpsc::Sender<ServerJsonRpcMessage>,
        impl Stream<Item = ClientJsonRpcMessage> + Unpin + Send + 'static,
    >,
    stop: CancellationToken,
) {
    let transport = FromFirstRequest::new(transport);
    // A client that leaves early is the only way in which either step fails.
    if let Ok(service) = serve_server_with_ct::<_, _, _, _>(handler, transport, stop).await {
        let _ = service.waiting().await;
    }
}

/// Takes a message of a client; the answer comes on its stream.
async fn receive(
    State(sessions): State<Sessions>,
    parts: Parts,
    body: axum::body::Bytes,
) -> Response {
    let Some(id) = session_id(parts.uri.query().unwrap_or_default()) else {
        return (
            StatusCode::BAD_REQUEST,
            "Give the session_id that GET /sse named.",
        )
            .into_response();
    };
    let caller = parts.extensions.get::<Caller>();
    let principal = caller.map(|caller| caller.principal.as_str());
    let Some(mut to_server) = sessions.sender(id, principal) else {
        return (StatusCode::NOT_FOUND, "There is no such session.").into_response();
    };
    let Ok(mut message) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
        return (
            StatusCode::BAD_REQUEST,
            "The body is no JSON-RPC message of MCP.",
        )
            .into_response();
    };
    // As streamable HTTP does: tools find the caller there.
    message.insert_extension(parts);
    match to_server.send(message).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The session has ended.").into_response(),
    }
}

fn session_id(query: &str) -> Option<Uuid> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "session_id")
        .and_then(|(_, value)| Uuid::try_parse(&value).ok())
}

fn event(message: &ServerJsonRpcMessage) -> Event {
    let event = Event::default().event("message");
    match serde_json::to_string(message) {
        Ok(json) => event.data(json),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Event::default().comment("an answer is missing")
        }
    }
}

/// The open sessions, by id.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<HashMap<Uuid, Entry>>>);

struct Entry {
    to_server: mpsc::Sender<ClientJsonRpcMessage>,
    last_message: Instant,
    /// Who began the session, where clients are authorized.
    principal: Option<String>,
}

impl Sessions {
    /// Adds a session, unless there are too many.
    fn open(
        &self,
        to_server: mpsc::Sender<ClientJsonRpcMessage>,
        principal: Option<String>,
    ) -> Option<Session> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_SESSIONS {
            return None;
        }
        // Random, since whoever knows the id may send.
        let id = Uuid::new_v4();
        let entry = Entry {
            to_server,
            last_message: Instant::now(),
            principal,
        };
        entries.insert(id, entry);
        Some(Session {
            id,
            sessions: self.clone(),
        })
    }

    /// Where messages of a session go; it counts as used now. For anyone but
    /// who began it there is no such session.
    fn sender(
        &self,
        id: Uuid,
        principal: Option<&str>,
    ) -> Option<mpsc::Sender<ClientJsonRpcMessage>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries
            .get_mut(&id)
            .filter(|entry| entry.principal.as_deref() == principal)?;
        entry.last_message = Instant::now();
        Some(entry.to_server.clone())
    }

    /// When a session ends unless a message comes.
    fn deadline(&self, id: Uuid) -> Option<Instant> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&id).map(|entry| entry.last_message + MAX_IDLE)
    }
}

/// An open session; dropping it closes it.
struct Session {
    id: Uuid,
    sessions: Sessions,
}

impl Session {
    /// Completes when the session has been idle too long or `stop` is
    /// cancelled, and closes it then; or when it is dropped.
    async fn end(self, stop: CancellationToken) {
        while let Some(deadline) = self.sessions.deadline(self.id) {
            if deadline <= Instant::now() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                () = stop.cancelled() => break,
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut entries = self
            .sessions
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        entries.remove(&self.id);
    }
}
