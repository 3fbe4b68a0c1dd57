//! What may come before a client has begun.

use std::io;

use futures::{FutureExt, future::BoxFuture};
use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};

/// A transport that drops what comes before the first request.
///
/// The protocol begins with a request. The MCP library ends the connection when
/// it begins with anything else, and a host would see a crash; a stray
/// notification is no reason for one.
pub(super) struct FromFirstRequest {
    /// Behind a pointer, because the MCP library is compiled anew for each type
    /// of transport.
    transport: Box<dyn Messages>,
    begun: bool,
}

/// [`Transport`] for use behind a pointer.
trait Messages: Send {
    fn send(&mut self, message: ServerJsonRpcMessage) -> BoxFuture<'static, io::Result<()>>;
    fn receive(&mut self) -> BoxFuture<'_, Option<ClientJsonRpcMessage>>;
    fn close(&mut self) -> BoxFuture<'_, io::Result<()>>;
}

impl<T: Transport<RoleServer>> Messages for T {
    fn send(&mut self, message: ServerJsonRpcMessage) -> BoxFuture<'static, io::Result<()>> {
        let sending = Transport::send(self, message);
        async { sending.await.map_err(io::Error::other) }.boxed()
    }

    fn receive(&mut self) -> BoxFuture<'_, Option<ClientJsonRpcMessage>> {
        Transport::receive(self).boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, io::Result<()>> {
        let closing = Transport::close(self);
        async { closing.await.map_err(io::Error::other) }.boxed()
    }
}

impl FromFirstRequest {
    pub(super) fn new(transport: impl Transport<RoleServer> + 'static) -> Self {
        Self {
            transport: Box::new(transport),
            begun: false,
        }
    }
}

impl Transport<RoleServer> for FromFirstRequest {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.transport.as_mut().send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = self.transport.as_mut().receive().await?;
            self.begun |= matches!(message, ClientJsonRpcMessage::Request(_));
            if self.begun {
                return Some(message);
            }
            tracing::debug!("dropped a message that came before the first request");
        }
    }

    fn close(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        self.transport.as_mut().close()
    }
}
