//! Connections of HTTP clients: how many there may be, how long a head and a
//! body may take, and how large they may be.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Connections that are open at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// Size limit of the head of a request in bytes; 431 beyond.
const MAX_HEAD: usize = 32 * 1024;
/// Header fields of a request; 431 beyond.
const MAX_FIELDS: usize = 100;
/// Time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take to finish after the stop.
const GRACE: Duration = Duration::from_secs(5);
/// Wait after a failure to accept, most often for want of file descriptors.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Serves connections until `stop` is cancelled; then open requests get five
/// seconds to finish.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepting = async {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepting => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = graceful.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // A client that leaves or breaks HTTP is no fault of ours.
                    let _ = connection.await;
                    drop(place);
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> http1::Connection<
    TokioIo<TcpStream>,
    impl hyper::service::Service<
        hyper::Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future: Send,
    > + Send,
> {
    // Answers are small and come at once.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request: hyper::Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let mut router = router.clone();
                async move { router.call(request).await }
            }),
        )
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Answers 431 to a head over the limit. The HTTP library alone reads up to
/// twice as much before it notices.
pub(super) async fn bound_head(request: Request, next: Next) -> Response {
    let fields = request.headers().iter();
    let size: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |it| it.as_str().len());
    if size + target > MAX_HEAD {
        let reason = "The header fields are too large.";
        return (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason).into_response();
    }
    next.run(request).await
}

/// Takes in the whole body before a request goes on: one that is too large gets
/// 413, and one that does not come 408.
pub(super) async fn take_body(
    State(max_body): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, max_body)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, body.into())).await,
        Ok(Err(_)) => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too large, or broke off.",
        )
            .into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "The body did not come.").into_response(),
    }
}
