//! What may come before a client has begun.

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
pub(super) struct FromFirstRequest<T> {
    transport: T,
    begun: bool,
}

impl<T> FromFirstRequest<T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport,
            begun: false,
        }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for FromFirstRequest<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.transport.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = self.transport.receive().await?;
            self.begun |= matches!(message, ClientJsonRpcMessage::Request(_));
            if self.begun {
                return Some(message);
            }
            tracing::debug!("dropped a message that came before the first request");
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.transport.close()
    }
}
