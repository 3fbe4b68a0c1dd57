//! The MCP surface: tools and resources over a [`Source`].
//!
//! A tool is data: a definition and a function. Whatever goes out was decoded
//! and validated, is bounded, and says in its structured content alone what was
//! left out, withheld or remains.

mod arguments;
mod catalogue;
mod cursor;
mod exchange;
mod failure;
mod issues;
mod json;
mod list;
mod reply;
mod resources;
mod schema;
mod search_parameters;
mod server;
mod tools;
mod view;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{client::Source, validation::Validator};

/// Tool calls that run at once; further ones wait.
const MAX_CALLS: usize = 32;

/// How the server treats what it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether `create`, `update` and `delete` are offered.
    pub allow_writes: bool,
    /// What becomes of resources that break rules of FHIR.
    pub on_invalid: OnInvalid,
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
pub struct FhirServer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Source,
    options: Options,
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
        Self(Arc::new(Shared {
            source,
            options,
            validator,
            calls: Semaphore::new(MAX_CALLS),
        }))
    }

    fn source(&self) -> &Source {
        &self.0.source
    }

    fn validator(&self) -> &Validator {
        &self.0.validator
    }

    fn options(&self) -> Options {
        self.0.options
    }
}
