//! The MCP surface: tools and resources over a [`Source`].
//!
//! A tool is data: a definition and a function. Whatever goes out was decoded
//! and validated, is bounded, and says in its structured content alone what was
//! left out, withheld or remains.

mod arguments;
mod call_log;
mod catalogue;
mod cursor;
mod exchange;
mod failure;
mod hidden;
mod issues;
mod json;
mod list;
mod reply;
mod resources;
mod schema;
mod search_parameters;
mod server;
mod session;
mod tools;
mod view;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

pub use catalogue::is_write;
use rmcp::model::Extensions;
use tokio::sync::Semaphore;

use crate::{
    auth::{Caller, scope::Scopes},
    client::{Call, Source},
    validation::Validator,
};

/// Tool calls that run at once; further ones wait.
const MAX_CALLS: usize = 32;

pub use write::{WriteInteraction, WriteOptions};

/// Time limit of a call, unless another one is set. Long enough for a person
/// to sign in or to confirm something.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(300);

/// How the server treats what it serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether `create`, `update` and `delete` are offered.
    pub allow_writes: bool,
    /// Which writes are allowed, and how they are confirmed.
    pub writes: WriteOptions,
    /// What becomes of resources that break rules of FHIR.
    pub on_invalid: OnInvalid,
    /// Time limit of a call, with all that it asks of the FHIR server.
    pub call_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_writes: false,
            writes: WriteOptions::default(),
            on_invalid: OnInvalid::default(),
            call_timeout: CALL_TIMEOUT,
        }
    }
}

/// What becomes of a resource of the FHIR server that breaks rules of FHIR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// Its issues are given instead of it.
    #[default]
    Withhold,
    /// It is given with its issues beside it.
    Flag,
}

/// The MCP server: tools and resources for FHIR R4. Clones share everything.
#[derive(Clone, Debug)]
pub struct FhirServer {
    shared: Arc<Shared>,
    /// On behalf of whom it works.
    source: Source,
    /// What the caller's token allows; `None` where no token is needed.
    scopes: Option<Scopes>,
    /// Stands for the caller in seals; nothing where whoever started the server
    /// calls.
    principal: Option<Arc<str>>,
    /// When the call that it works on must have ended.
    deadline: Option<Instant>,
    /// Whether the call that it works on has begun to write.
    writing: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    seal: write::Seal,
    validator: Arc<Validator>,
    calls: Semaphore,
}

impl FhirServer {
    /// Serves a source, with the rules of FHIR R4 alone. Nothing is asked of it
    /// before a tool is called.
    pub fn new(source: Source, options: Options) -> Self {
        Self::with_validator(source, options, Arc::default())
    }

    /// Serves a source; what passes is checked by this validator.
    pub fn with_validator(source: Source, options: Options, validator: Arc<Validator>) -> Self {
        Self {
            shared: Arc::new(Shared {
                seal: write::Seal::new(&options.writes),
                options,
                validator,
                calls: Semaphore::new(MAX_CALLS),
            }),
            source,
            scopes: None,
            principal: None,
            deadline: None,
            writing: Arc::default(),
        }
    }

    /// The same server for a caller: with their credential at the FHIR server if
    /// they have one of their own, and with seals for them alone.
    pub fn on_behalf_of(&self, caller: &Caller) -> Self {
        let mut server = self.clone();
        server.principal = Some(caller.principal.as_str().into());
        server.scopes = caller.scope.as_deref().map(Scopes::parse);
        if let Some(credential) = caller.credential.clone() {
            server.source = self.source.with_credential(credential);
        }
        server
    }

    /// The server as it is for a call, on behalf of who makes it.
    fn for_caller(&self, extensions: &Extensions) -> (Self, Call) {
        let caller = extensions
            .get::<http::request::Parts>()
            .and_then(|parts| parts.extensions.get::<Caller>());
        let mut server = match caller {
            Some(caller) => self.on_behalf_of(caller),
            None => self.clone(),
        };
        let call = Call::new(caller.map(|caller| caller.principal.as_str()));
        server.source = server.source.for_call(call.clone());
        server.writing = Arc::default();
        server.deadline = Some(Instant::now() + self.options().call_timeout);
        (server, call)
    }

    /// How long a person may be waited for: a tenth of what is left of the call
    /// stays for what they agree to.
    fn patience(&self) -> Duration {
        let left = self
            .deadline
            .map_or(self.options().call_timeout, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
        left * 9 / 10
    }

    /// From here on nobody may say that nothing was written.
    fn begins_write(&self) {
        self.writing.store(true, Ordering::Relaxed);
    }

    fn has_begun_write(&self) -> bool {
        self.writing.load(Ordering::Relaxed)
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn validator(&self) -> &Validator {
        &self.shared.validator
    }

    fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Whether the operator and the caller's token allow writes.
    fn may_write(&self) -> bool {
        self.options().allow_writes && self.scopes.is_none_or(|scopes| scopes.write)
    }
}
