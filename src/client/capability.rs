//! What a FHIR server says that it can do: its
//! [CapabilityStatement](https://hl7.org/fhir/R4/capabilitystatement.html).

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    body::{self, BodyError, Decoded, Expectation},
    error::ClientError,
    interaction::Answer,
};
use crate::model::{Issue, Resource};

/// How long capabilities are believed.
const TIME_TO_LIVE: Duration = Duration::from_secs(600);

/// The parts of a CapabilityStatement that say what can be asked: those of its
/// `rest` entry with mode `server`, else of the first.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// FHIR version, for instance `4.0.1`; empty when the server does not say.
    pub fhir_version: String,
    /// Name of the software.
    pub software: Option<String>,
    /// Version of the software.
    pub software_version: Option<String>,
    /// The resource types in the order of the statement.
    pub resources: Vec<ResourceCapabilities>,
    /// Search parameters of all resource types.
    pub search_params: Vec<SearchParam>,
    /// Operations of the whole system.
    pub operations: Vec<Operation>,
    /// What is wrong with the statement; it is used all the same.
    pub issues: Vec<Issue>,
}

/// What the server offers for one resource type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceCapabilities {
    /// The resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Interactions, for instance `search-type`.
    #[serde(rename = "interaction")]
    pub interactions: Vec<SupportedInteraction>,
    /// Search parameters.
    #[serde(rename = "searchParam")]
    pub search_params: Vec<SearchParam>,
    /// Operations.
    #[serde(rename = "operation")]
    pub operations: Vec<Operation>,
    /// Values for `_include`.
    pub search_include: Vec<String>,
    /// Values for `_revinclude`.
    pub search_rev_include: Vec<String>,
}

/// An interaction that the server supports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SupportedInteraction {
    /// `read`, `search-type`, …
    pub code: String,
    /// What the server says about it.
    pub documentation: Option<String>,
}

/// A search parameter that the server supports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchParam {
    /// Name in a query.
    pub name: String,
    /// `token`, `date`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Canonical URL of its definition.
    pub definition: Option<String>,
    /// What the server says about it.
    pub documentation: Option<String>,
}

/// An operation that the server supports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Name, most often without the `$` that stands before it in a URL.
    pub name: String,
    /// Canonical URL of its definition.
    pub definition: Option<String>,
    /// What the server says about it.
    pub documentation: Option<String>,
}

impl Capabilities {
    /// Reads the answer to [`Interaction::Capabilities`](super::Interaction).
    /// A statement with issues is used as far as it goes: refusing it would
    /// shut out servers whose data is fine.
    ///
    /// # Errors
    /// [`ClientError::Capabilities`] when the answer is no CapabilityStatement.
    pub fn from_answer(answer: &Answer) -> Result<Self, ClientError> {
        let expectation = Expectation::resource("CapabilityStatement");
        let issues = match body::decode_by(answer, &expectation, Resource::from_slice)
            .map_err(ClientError::Capabilities)?
        {
            Decoded::Resource(reading) => reading.issues,
            Decoded::Nothing => return Err(ClientError::Capabilities(BodyError::Empty)),
        };
        let unusable = |error: serde_json::Error| {
            ClientError::Capabilities(BodyError::Unusable {
                cause: error.to_string(),
            })
        };
        let statement: Statement = serde_json::from_slice(&answer.body).map_err(unusable)?;
        Ok(Self::from_statement(statement, issues))
    }

    /// What the server offers for a resource type; `None` when nothing.
    pub fn resource(&self, resource_type: &str) -> Option<&ResourceCapabilities> {
        self.resources
            .iter()
            .find(|resource| resource.resource_type == resource_type)
    }

    fn from_statement(statement: Statement, issues: Vec<Issue>) -> Self {
        let mut rests = statement.rest;
        let server = rests.iter().position(|rest| rest.mode == "server");
        let rest = if rests.is_empty() {
            Rest::default()
        } else {
            rests.swap_remove(server.unwrap_or(0))
        };
        Self {
            fhir_version: statement.fhir_version,
            software: statement.software.name,
            software_version: statement.software.version,
            resources: rest.resource,
            search_params: rest.search_param,
            operations: rest.operation,
            issues,
        }
    }
}

impl ResourceCapabilities {
    /// Whether the server supports an interaction, for instance `search-type`.
    pub fn supports(&self, code: &str) -> bool {
        self.interactions
            .iter()
            .any(|interaction| interaction.code == code)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statement {
    fhir_version: String,
    software: Software,
    rest: Vec<Rest>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Software {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rest {
    mode: String,
    resource: Vec<ResourceCapabilities>,
    search_param: Vec<SearchParam>,
    operation: Vec<Operation>,
}

/// Capabilities that were fetched before. Errors are not kept, and callers that
/// come while they are being fetched wait for the same answer.
#[derive(Debug, Default)]
pub struct CapabilityCache(Mutex<Option<(Instant, Arc<Capabilities>)>>);

impl CapabilityCache {
    /// The cached value, or a fresh one.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn get<F>(&self, fetch: F) -> Result<Arc<Capabilities>, ClientError>
    where
        F: AsyncFnOnce() -> Result<Capabilities, ClientError>,
    {
        let mut slot = self.0.lock().await;
        if let Some((fetched, capabilities)) = slot.as_ref()
            && fetched.elapsed() < TIME_TO_LIVE
        {
            return Ok(Arc::clone(capabilities));
        }
        let capabilities = Arc::new(fetch().await?);
        *slot = Some((Instant::now(), Arc::clone(&capabilities)));
        Ok(capabilities)
    }
}
