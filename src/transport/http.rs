//! The HTTP transports on one listener:
//! [streamable HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http)
//! at `/mcp`, HTTP with server-sent events at `/sse`, and `GET /healthz`.

use std::{io, net::SocketAddr, num::NonZeroU32, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use ipnet::IpNet;
use rmcp::{
    ServerHandler,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::local::LocalSessionManager,
    },
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;
use url::Url;

use super::{
    authorization::{self, Authorization, Door, SessionOwners},
    connections, facade,
    guard::{self, Access},
    proxies::Proxies,
    rate::{self, Limiter},
    sse,
};

/// Size limit of a request body in bytes. A body that holds one message with
/// one resource stays far below it.
pub const MAX_REQUEST_BODY: usize = 4 * 1024 * 1024;
/// Requests that are worked on at once, over all clients. Beyond, 503 says to
/// come back: memory stays bounded whatever is sent.
pub const MAX_REQUESTS: usize = 256;
/// Sessions of each of the two transports that know sessions.
pub const MAX_SESSIONS: usize = 256;
/// How long a browser may keep the answer to a preflight request.
const PREFLIGHT_TTL: Duration = Duration::from_secs(600);

/// How the HTTP transports are to behave.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// URL under which clients reach the server, if it is not the address of
    /// the listener: its host and origin may come in, too.
    pub public_url: Option<Url>,
    /// Whether clients older than 2026-07-28 get sessions and event streams.
    /// Otherwise every answer is one JSON body and nothing is kept between
    /// requests.
    pub legacy_sessions: bool,
    /// Origins of web pages that may call from a browser (CORS). None may but
    /// the server's own.
    pub allowed_origins: Vec<Url>,
    /// Requests of one caller in a minute; `None` for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Addresses of proxies in front, whose word on where a request comes from
    /// is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests that are worked on at once; [`MAX_REQUESTS`] when not given.
    pub max_requests: Option<usize>,
    /// How clients are authorized; without it whoever reaches the listener may
    /// call.
    pub authorization: Option<Arc<Authorization>>,
}

/// Serves clients until `shutdown` completes; then open requests get five
/// seconds to finish.
///
/// # Errors
/// When the listener fails.
pub async fn run<H: ServerHandler + Clone>(
    listener: TcpListener,
    handler: H,
    options: HttpOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop = CancellationToken::new();
    let router = router(handler, listener.local_addr()?, &options, &stop);
    let mut server = pin!(connections::serve(listener, router, stop.clone()));
    tokio::select! {
        () = &mut server => return Ok(()),
        () = shutdown => stop.cancel(),
    }
    server.await;
    Ok(())
}

/// All routes. `stop` ends what would otherwise stay open.
fn router<H: ServerHandler + Clone>(
    handler: H,
    address: SocketAddr,
    options: &HttpOptions,
    stop: &CancellationToken,
) -> Router {
    let access =
        Access::new(address, options.public_url.as_ref()).with_origins(&options.allowed_origins);
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(
        {
            let handler = handler.clone();
            move || Ok(handler.clone())
        },
        sessions.clone(),
        StreamableHttpServerConfig::default()
            .with_allowed_hosts(access.hosts())
            .with_allowed_origins(access.origins())
            .enforce_origin_validation()
            .with_legacy_session_mode(options.legacy_sessions)
            .with_json_response(!options.legacy_sessions)
            .with_max_request_body_bytes(MAX_REQUEST_BODY)
            .with_cancellation_token(stop.clone()),
    );
    let mcp = Router::new()
        .route_service("/mcp", mcp.clone())
        .route_service("/mcp/", mcp)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&sessions),
            limit_sessions,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::new(SessionOwners::new(sessions)),
            authorization::own_sessions,
        ));
    let endpoints = Router::new().merge(mcp).merge(sse::router(handler, stop));
    authorized(endpoints, options)
        .layer(middleware::from_fn_with_state(
            Arc::new(Semaphore::new(options.max_requests.unwrap_or(MAX_REQUESTS))),
            limit_requests,
        ))
        .layer(cors(&options.allowed_origins))
        .layer(middleware::from_fn_with_state(access, guard::guard))
        .layer(middleware::from_fn(connections::bound_head))
        // Not guarded: it tells nothing, and whoever probes a container calls
        // it by an address that is not ours to know.
        .route("/healthz", get(|| async { "ok\n" }))
}

/// The endpoints for authorized clients, and what leads to a token for those
/// who are not yet. Each layer is around those before it: who calls is known
/// before anything is counted or read.
fn authorized(mut endpoints: Router, options: &HttpOptions) -> Router {
    let limiter = options.rate_limit.map(|limit| {
        Arc::new(Limiter::new(
            limit,
            Proxies::new(options.trusted_proxies.clone()),
        ))
    });
    let bounded = |routes: Router, max_body: usize| {
        let routes = routes.layer(middleware::from_fn_with_state(
            max_body,
            connections::take_body,
        ));
        match &limiter {
            Some(limiter) => routes.layer(middleware::from_fn_with_state(
                Arc::clone(limiter),
                rate::limit,
            )),
            None => routes,
        }
    };
    let Some(authorization) = &options.authorization else {
        return bounded(endpoints, MAX_REQUEST_BODY);
    };
    endpoints = endpoints.layer(middleware::from_fn_with_state(
        Arc::clone(authorization),
        authorization::within_scopes,
    ));
    endpoints = bounded(endpoints, MAX_REQUEST_BODY).layer(middleware::from_fn_with_state(
        Door {
            authorization: Arc::clone(authorization),
            limiter: limiter.clone(),
        },
        authorization::authorize,
    ));
    let mut open = authorization::metadata(authorization);
    if let Some(facade) = authorization.facade.clone() {
        open = open.merge(facade::router(facade));
    }
    endpoints.merge(bounded(open, facade::MAX_BODY))
}

/// Tells browsers that pages of these origins may call, and read the answer.
fn cors(origins: &[Url]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|url| HeaderValue::from_str(&url.origin().ascii_serialization()).ok());
    let name = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            name("last-event-id"),
            name("mcp-method"),
            name("mcp-name"),
            name("mcp-protocol-version"),
            name("mcp-session-id"),
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            name("mcp-session-id"),
        ])
        .max_age(PREFLIGHT_TTL)
}

/// Answers 503 to whoever would begin one session too many. Only clients
/// without a session and without the header of newer protocol versions begin
/// one.
async fn limit_sessions(
    State(sessions): State<Arc<LocalSessionManager>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let may_begin = request.method() == Method::POST
        && !headers.contains_key("mcp-session-id")
        && headers
            .get("mcp-protocol-version")
            .is_none_or(|version| version.as_bytes() < b"2026".as_slice());
    if may_begin && sessions.sessions.read().await.len() >= MAX_SESSIONS {
        return busy("Too many sessions are open.");
    }
    next.run(request).await
}

/// Answers 503 when too many requests are being worked on.
async fn limit_requests(
    State(permits): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => busy("Too many requests are being worked on."),
    }
}

/// 503, with the advice to come back soon.
pub(super) fn busy(reason: &'static str) -> Response {
    let retry_after = (header::RETRY_AFTER, HeaderValue::from_static("1"));
    (StatusCode::SERVICE_UNAVAILABLE, [retry_after], reason).into_response()
}
