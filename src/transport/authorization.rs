//! Which MCP requests are authorized: bearer tokens, challenges, and where a
//! client learns how to get a token
//! ([MCP, authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization)).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    http::{MAX_REQUEST_BODY, MAX_SESSIONS, busy},
    rate::Limiter,
};
use crate::auth::{
    Caller,
    facade::Facade,
    protected_resource::{ENDPOINTS, ProtectedResource, Refusal, TokenCheck, WELL_KNOWN, bearer},
    scope::Scopes,
};

/// Header that names a session of streamable HTTP.
const SESSION_ID: &str = "mcp-session-id";

/// How MCP clients are authorized.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// This server as a protected resource.
    pub resource: ProtectedResource,
    /// What checks tokens.
    pub check: Arc<dyn TokenCheck>,
    /// The authorization server, if it is this server itself.
    pub facade: Option<Facade>,
    /// Whether a tool needs the scope to write.
    pub writes: fn(&str) -> bool,
}

/// The metadata of this server as a protected resource, at the root and at the
/// path of each endpoint; RFC 9728, section 3.
pub(super) fn metadata(authorization: &Authorization) -> Router {
    let resource = &authorization.resource;
    let base = Url::parse(resource.base()).ok();
    let base = base
        .as_ref()
        .map_or("", |url| url.path())
        .trim_end_matches('/');
    let mut paths = HashSet::new();
    let mut router = Router::new();
    // A proxy may or may not cut off the path of the base.
    for prefix in ["", base] {
        for endpoint in ["", ENDPOINTS[0], ENDPOINTS[1]] {
            let path = format!("{WELL_KNOWN}{prefix}{endpoint}");
            if !paths.insert(path.clone()) {
                continue;
            }
            let named = if endpoint.is_empty() {
                ENDPOINTS[0]
            } else {
                endpoint
            };
            let document = resource.metadata(named);
            router = router.route(&path, get(move || document_answer(document)));
        }
    }
    router
}

async fn document_answer(document: Value) -> Response {
    let caching = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, caching)], Json(document)).into_response()
}

/// What lets requests in, and counts those that it does not.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) authorization: Arc<Authorization>,
    pub(super) limiter: Option<Arc<Limiter>>,
}

/// Lets a request with a good token pass, with its [`Caller`] among its
/// extensions and without the token itself, which nothing behind needs. Any
/// other gets a challenge, and counts for the address that it comes from. One
/// with a good token never does: nobody is shut out by a neighbour.
pub(super) async fn authorize(State(door): State<Door>, request: Request, next: Next) -> Response {
    let endpoint = endpoint(&request);
    let origin = door
        .limiter
        .as_ref()
        .map(|limiter| (Arc::clone(limiter), limiter.origin(&request)));
    let refusal = match checked(&door.authorization, request).await {
        Ok(request) => return next.run(request).await,
        Err(refusal) => refusal,
    };
    let too_many = match (&refusal, origin) {
        // No fault of whoever sent it.
        (Refusal::Unavailable(_), _) | (_, None) => None,
        (_, Some((limiter, origin))) => limiter.count(origin),
    };
    too_many.unwrap_or_else(|| refuse(&door.authorization.resource, endpoint, &refusal))
}

async fn checked(authorization: &Authorization, mut request: Request) -> Result<Request, Refusal> {
    let caller = authorization
        .check
        .caller(token(request.headers())?)
        .await?;
    if !scopes(&caller).read {
        return Err(Refusal::Scope(Scopes::READ));
    }
    request.headers_mut().remove(header::AUTHORIZATION);
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// Lets a call of a tool pass that the scopes of the [`Caller`] allow.
pub(super) async fn within_scopes(
    State(authorization): State<Arc<Authorization>>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>();
    let writes = caller.is_some_and(|caller| scopes(caller).write);
    // Where nobody writes no scope would help: there is no such tool.
    let supported = authorization.resource.supported().write;
    if writes || !supported || request.method() != Method::POST {
        return next.run(request).await;
    }
    let endpoint = endpoint(&request);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if called_tool(&body).is_some_and(|name| (authorization.writes)(&name)) {
        let refusal = Refusal::Scope(Scopes::WRITE);
        return refuse(&authorization.resource, endpoint, &refusal);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn scopes(caller: &Caller) -> Scopes {
    Scopes::parse(caller.scope.as_deref().unwrap_or_default())
}

/// The path of the endpoint that a request is for.
fn endpoint(request: &Request) -> &'static str {
    if request.uri().path().starts_with(ENDPOINTS[0]) {
        ENDPOINTS[0]
    } else {
        ENDPOINTS[1]
    }
}

/// The token of a request: in the header, once.
fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Invalid("there is more than one token"));
    }
    value
        .to_str()
        .ok()
        .and_then(bearer)
        .ok_or(Refusal::Invalid("the header holds no bearer token"))
}

/// The name of the tool that a message calls.
fn called_tool(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        method: String,
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        name: String,
    }
    let message: Message = serde_json::from_slice(body).ok()?;
    (message.method == "tools/call").then_some(message.params.name)
}

fn refuse(resource: &ProtectedResource, endpoint: &str, refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Unavailable(reason) => {
            tracing::error!(reason, "tokens cannot be checked");
            return busy("Tokens cannot be checked now.");
        }
        Refusal::Scope(_) => StatusCode::FORBIDDEN,
        Refusal::Missing | Refusal::Invalid(_) => StatusCode::UNAUTHORIZED,
    };
    let text = match refusal {
        Refusal::Scope(_) => "The token lacks a scope; WWW-Authenticate names those needed.",
        _ => "Authorize first; WWW-Authenticate says where.",
    };
    match HeaderValue::from_str(&resource.challenge(endpoint, refusal)) {
        Ok(challenge) => (status, [(header::WWW_AUTHENTICATE, challenge)], text).into_response(),
        Err(_) => (status, text).into_response(),
    }
}

/// Whose the sessions of streamable HTTP are. Knowing the id of one is no
/// authorization: each message must come from whoever began it.
#[derive(Debug)]
pub(super) struct SessionOwners {
    sessions: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, String>>,
}

impl SessionOwners {
    pub(super) fn new(sessions: Arc<LocalSessionManager>) -> Self {
        Self {
            sessions,
            owners: Mutex::default(),
        }
    }

    fn is_of_other(&self, session: &str, principal: &str) -> bool {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(session).is_some_and(|owner| owner != principal)
    }

    async fn add(&self, session: &str, principal: String) {
        let open: Option<HashSet<String>> = {
            let sessions = self.sessions.sessions.read().await;
            let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            (owners.len() >= 2 * MAX_SESSIONS)
                .then(|| sessions.keys().map(|id| id.to_string()).collect())
        };
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open {
            owners.retain(|session, _| open.contains(session));
        }
        owners.insert(session.to_owned(), principal);
    }
}

/// Answers 404, as if there were no such session, to whoever did not begin it.
pub(super) async fn own_sessions(
    State(owners): State<Arc<SessionOwners>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(principal) = principal(&request) else {
        return next.run(request).await;
    };
    let session = request.headers().get(SESSION_ID);
    if let Some(session) = session.and_then(|session| session.to_str().ok())
        && owners.is_of_other(session, &principal)
    {
        return (StatusCode::NOT_FOUND, "There is no such session.").into_response();
    }
    let begins = session.is_none();
    let response = next.run(request).await;
    if begins
        && let Some(session) = response.headers().get(SESSION_ID)
        && let Ok(session) = session.to_str()
    {
        owners.add(session, principal).await;
    }
    response
}

fn principal(request: &Request) -> Option<String> {
    let caller = request.extensions().get::<Caller>()?;
    Some(caller.principal.clone())
}
