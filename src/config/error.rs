//! Configuration that cannot work.

use super::{AuthorizationError, EnvironmentError, UpstreamError};

/// Configuration that cannot work. Each message is one sentence that says what
/// to set.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The environment could not be read.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// There is nothing to serve.
    #[error(
        "Set FHIR_SERVER_BASE_URL to the base URL of a FHIR R4 server, for instance https://fhir.example.org/r4, or pass --fixtures PATH to serve files."
    )]
    NoSource,
    /// There are two things to serve.
    #[error("Remove either FHIR_SERVER_BASE_URL or --fixtures: only one of them can be served.")]
    TwoSources,
    /// A URL that cannot be one.
    #[error(
        "Set {name} to an http or https URL without user name, query and fragment, for instance https://fhir.example.org/r4: {reason}."
    )]
    Url {
        /// Name of the variable.
        name: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// A port that cannot be one.
    #[error("Set FHIR_MCP_PORT to a number from 0 to 65535: found `{found}`.")]
    Port {
        /// The value.
        found: String,
    },
    /// A time limit that cannot be one.
    #[error("Set {name} to seconds, over 0 and at most 3600: found `{found}`.")]
    Timeout {
        /// Name of the variable.
        name: &'static str,
        /// The value.
        found: String,
    },
    /// A limit that cannot be one.
    #[error("Set FHIR_MCP_RATE_LIMIT to requests a minute, 0 for no limit: found `{found}`.")]
    RateLimit {
        /// The value.
        found: String,
    },
    /// Something that is no address of a proxy.
    #[error(
        "Set FHIR_MCP_TRUSTED_PROXIES to addresses or ranges of proxies, for instance 10.0.0.1 or 10.0.0.0/24, separated by blanks: found `{found}`."
    )]
    Proxy {
        /// The value.
        found: String,
    },
    /// Something that is no origin of a web page.
    #[error(
        "Set FHIR_MCP_ALLOWED_ORIGINS to origins as browsers send them, for instance https://app.example.org, separated by blanks: found `{found}`."
    )]
    Origin {
        /// The value.
        found: String,
    },
    /// A switch that is neither on nor off.
    #[error("Set {name} to true or false: found `{found}`.")]
    Boolean {
        /// Name of the variable.
        name: &'static str,
        /// The value.
        found: String,
    },
    /// Credentials for the FHIR server that cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Authorization that cannot work.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// A resource type that R4 does not have.
    #[error(
        "Set --write-types to resource types of FHIR R4, with commas between: found `{found}`."
    )]
    WriteType {
        /// The value.
        found: String,
    },
    /// Writes of which none has a tool.
    #[error(
        "Add create, update or delete to --write-interactions: an operation is called by one of these tools."
    )]
    OperationAlone,
}
