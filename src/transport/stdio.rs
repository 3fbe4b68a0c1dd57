//! The stdio transport: one JSON message a line on standard input and output
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio)).
//!
//! Lines that are no JSON or longer than 16 MiB are dropped; the connection
//! stays.

use std::pin::pin;

use rmcp::{
    RoleServer, ServerHandler,
    service::{RunningService, ServerInitializeError, serve_server_with_ct},
    transport::{async_rw::AsyncRwTransport, stdio_pipes},
};
use tokio_util::sync::CancellationToken;

use super::lifecycle::FromFirstRequest;

/// Why serving over standard input and output ended early.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The connection could not begin.
    #[error("the client and the server could not agree on how to begin")]
    Begin(#[source] Box<ServerInitializeError>),
    /// The task that serves the connection failed.
    #[error("the task that serves the connection failed")]
    Serve(#[from] tokio::task::JoinError),
}

/// Serves one client until it closes standard input or `shutdown` completes.
/// Answers that are being made when the input ends are still given.
///
/// # Errors
/// [`StdioError`] when the connection fails. That a client leaves, even before
/// it has begun, is no error.
pub async fn run<H: ServerHandler>(
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    let (input, output) = stdio_pipes();
    let transport = FromFirstRequest::new(AsyncRwTransport::<RoleServer, _, _>::new(input, output));
    let stop = CancellationToken::new();
    let mut served = pin!(async {
        match serve_server_with_ct(handler, transport, stop.clone()).await {
            Ok(service) => wait(service).await,
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                Ok(())
            }
            Err(error) => Err(StdioError::Begin(Box::new(error))),
        }
    });
    tokio::select! {
        result = &mut served => result,
        () = shutdown => {
            stop.cancel();
            served.await
        }
    }
}

async fn wait<H: ServerHandler>(service: RunningService<RoleServer, H>) -> Result<(), StdioError> {
    service.waiting().await?;
    Ok(())
}
