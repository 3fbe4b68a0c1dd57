//! What the operator asked for: the flags, the environment and `.env`, checked
//! before anything starts.

use std::{net::IpAddr, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;
use ipnet::IpNet;
use url::Url;

use crate::{client::Secret, model::Resource};

mod authorization;
mod dotenv;
pub mod env;
mod error;
pub mod upstream;

pub use authorization::{Authorization, AuthorizationError, Facade};
pub use env::{Environment, EnvironmentError};
pub use error::ConfigError;
pub use upstream::{Upstream, UpstreamError};

/// Requests of one caller in a minute, unless another limit is set: more than
/// people ask for through a model, and less than a runaway program.
const RATE_LIMIT: NonZeroU32 = NonZeroU32::MIN.saturating_add(1199);

/// The flags of the server.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// How MCP clients connect
    ///
    /// stdio: the client starts this program and speaks over its standard input
    /// and output. streamable-http and sse: the client connects to
    /// http://FHIR_MCP_HOST:FHIR_MCP_PORT, to /mcp or (old clients) to /sse;
    /// both paths are served in both cases.
    #[arg(long, value_enum, ignore_case = true, default_value_t = TransportKind::StreamableHttp)]
    pub transport: TransportKind,

    /// Serve the FHIR resources of these files and folders, without any server
    ///
    /// JSON resources and Bundles, NDJSON, and either with gzip. Takes the
    /// place of FHIR_SERVER_BASE_URL; what is written stays in memory.
    #[arg(long, value_name = "PATH", num_args = 1.., action = clap::ArgAction::Append)]
    pub fixtures: Vec<PathBuf>,

    /// FHIR package (.tgz) with more profiles and value sets; repeatable
    ///
    /// Resources that claim one of its profiles in meta.profile are checked
    /// against it, and the tool validate takes its URL.
    #[arg(long, value_name = "FILE")]
    pub package: Vec<PathBuf>,

    /// Offer the tools that change data: create, update, delete
    #[arg(long)]
    pub allow_writes: bool,

    /// Allow writes of these resource types alone, for instance Observation,Condition
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        requires = "allow_writes"
    )]
    pub write_types: Vec<String>,

    /// Allow these kinds of writes alone
    ///
    /// operation: an operation such as $validate by way of create, update or
    /// delete, whatever it does on the server.
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        value_delimiter = ',',
        requires = "allow_writes"
    )]
    pub write_interactions: Vec<WriteInteraction>,

    /// Write without asking the user to confirm
    ///
    /// Otherwise each write asks through the MCP client, and is refused where
    /// that cannot ask (elicitation).
    #[arg(long, requires = "allow_writes")]
    pub no_confirm: bool,

    /// What happens to a resource from the FHIR server that breaks FHIR R4
    ///
    /// withhold: its issues take its place. flag: it is passed on with its
    /// issues beside it.
    #[arg(long, value_enum, ignore_case = true, default_value_t = OnInvalid::Withhold)]
    pub on_invalid: OnInvalid,

    /// File that an AuditEvent is appended to for each interaction
    ///
    /// NDJSON with one FHIR AuditEvent for each request to the FHIR server or
    /// to the fixtures, failures too. It holds ids and queries; its mode becomes
    /// 0600. While it cannot be written, nothing is asked of the FHIR server.
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,

    /// Keep the tokens of a sign-in at the FHIR server in this file
    ///
    /// Only its owner can read it. Without it they are kept in memory, and every
    /// start needs a new sign-in.
    #[arg(long, value_name = "FILE")]
    pub token_cache: Option<PathBuf>,

    /// Keep a session per client over HTTP
    ///
    /// Only clients older than the protocol version 2026-07-28 need it, and
    /// only to be asked something by the server; answers then come as event
    /// streams.
    #[arg(long)]
    pub legacy_sessions: bool,

    /// Let one credential at the FHIR server serve all users
    ///
    /// Needed where this server has a token, a password or client credentials
    /// of its own there, and other people can connect over HTTP: each of them
    /// can then do what it allows.
    #[arg(long)]
    pub shared_upstream: bool,

    /// Serve without authorization on an address that others can reach
    ///
    /// Needed where FHIR_MCP_HOST is no loopback address and MCP clients are
    /// not authorized: everyone who reaches it can then read every record.
    #[arg(long)]
    pub open_to_network: bool,

    /// Keep the sign-ins of users on this Redis server: redis://HOST:PORT
    ///
    /// For several replicas, and to outlive a restart. In memory otherwise.
    /// With FHIR_SERVER_CLIENT_ID and FHIR_SERVER_SCOPES.
    #[arg(long, value_name = "URL")]
    pub token_store: Option<String>,

    /// How much to log, to standard error
    #[arg(long, value_enum, ignore_case = true, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,

    /// Form of a log line
    #[arg(long, value_enum, ignore_case = true, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// A transport of the Model Context Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportKind {
    /// Standard input and output.
    Stdio,
    /// HTTP with server-sent events, of the protocol version 2024-11-05.
    Sse,
    /// Streamable HTTP.
    StreamableHttp,
}

/// What happens to a resource that breaks FHIR R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnInvalid {
    /// Its issues take its place.
    Withhold,
    /// It is passed on with its issues.
    Flag,
}

/// A kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WriteInteraction {
    /// A new resource.
    Create,
    /// Another content of a resource.
    Update,
    /// Its removal.
    Delete,
    /// An operation, whatever it does.
    Operation,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything, parts of records among it.
    #[value(name = "TRACE", hide = true)]
    Trace,
    /// Every interaction.
    #[value(name = "DEBUG")]
    Debug,
    /// Start, stop and what is worth knowing.
    #[value(name = "INFO")]
    Info,
    /// What went wrong and was mended.
    #[value(name = "WARN", alias = "WARNING")]
    Warn,
    /// What went wrong.
    #[value(name = "ERROR")]
    Error,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything the server needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// How MCP clients connect.
    pub transport: TransportKind,
    /// Where the HTTP transports listen.
    pub listen: Listen,
    /// URL under which clients reach the HTTP transports, if it is not the
    /// address they listen on.
    pub public_url: Option<Url>,
    /// How MCP clients are authorized.
    pub authorization: Authorization,
    /// Whether HTTP clients get sessions.
    pub legacy_sessions: bool,
    /// FHIR packages with profiles and value sets.
    pub packages: Vec<PathBuf>,
    /// Where clinical data comes from.
    pub data: DataSource,
    /// Whether there are tools that change data.
    pub allow_writes: bool,
    /// Which writes are allowed.
    pub writes: Writes,
    /// What happens to an invalid resource.
    pub on_invalid: OnInvalid,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<Url>,
    /// Requests of one caller in a minute, if there is a limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Addresses of proxies in front.
    pub trusted_proxies: Vec<IpNet>,
    /// File for AuditEvents.
    pub audit: Option<PathBuf>,
    /// Time limit of a call of an MCP client.
    pub call_timeout: Duration,
    /// Variables that are set and have no effect yet.
    pub without_effect: Vec<&'static str>,
}

/// Which writes are allowed, and how.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// Resource types; all when empty.
    pub types: Vec<String>,
    /// Kinds; all when empty.
    pub interactions: Vec<WriteInteraction>,
    /// Whether the user is not asked.
    pub without_confirmation: bool,
    /// Key that several instances seal confirmations with.
    pub seal_key: Option<Secret>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address, without brackets.
    pub host: String,
    /// Port; 0 stands for a free one.
    pub port: u16,
}

impl Listen {
    /// Whether only this machine can connect.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Where clinical data comes from.
#[derive(Clone, Debug)]
pub enum DataSource {
    /// A FHIR server.
    Server {
        /// Base URL, without a trailing slash in its path.
        base: Url,
        /// What lets us in there.
        upstream: Box<Upstream>,
        /// Time limit of a call.
        timeout: Duration,
    },
    /// Files and folders.
    Fixtures(Vec<PathBuf>),
}

impl Config {
    /// Puts flags and environment together.
    ///
    /// # Errors
    /// [`ConfigError`]: one sentence that says what to set.
    pub fn new(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let listen = Listen {
            host: environment
                .get(env::MCP_HOST)
                .unwrap_or("localhost")
                .trim_matches(['[', ']'])
                .to_owned(),
            port: port(environment)?,
        };
        let data = data_source(flags, environment)?;
        Ok(Self {
            transport: flags.transport,
            public_url: web_url(environment, env::MCP_SERVER_URL)?,
            authorization: Authorization::new(flags, environment, &data, &listen.host)?,
            listen,
            legacy_sessions: flags.legacy_sessions,
            packages: flags.package.clone(),
            data,
            allow_writes: flags.allow_writes,
            writes: writes(flags, environment)?,
            on_invalid: flags.on_invalid,
            allowed_origins: origins(environment)?,
            rate_limit: rate_limit(environment)?,
            trusted_proxies: trusted_proxies(environment)?,
            audit: flags.audit.clone(),
            call_timeout: timeout(environment, env::MCP_CALL_TIMEOUT)?
                .unwrap_or(crate::mcp::CALL_TIMEOUT),
            without_effect: without_effect(flags, environment),
        })
    }
}

fn data_source(flags: &Flags, environment: &Environment) -> Result<DataSource, ConfigError> {
    let base = web_url(environment, env::SERVER_BASE_URL)?;
    // Checked although fixtures need neither: a mistake shows when it is made.
    let timeout =
        timeout(environment, env::MCP_REQUEST_TIMEOUT)?.unwrap_or(Duration::from_secs(30));
    let upstream = Box::new(Upstream::new(flags, environment, base.as_ref())?);
    match (base, flags.fixtures.is_empty()) {
        (Some(base), true) => Ok(DataSource::Server {
            base,
            upstream,
            timeout,
        }),
        (None, false) => Ok(DataSource::Fixtures(flags.fixtures.clone())),
        (None, true) => Err(ConfigError::NoSource),
        (Some(_), false) => Err(ConfigError::TwoSources),
    }
}

fn writes(flags: &Flags, environment: &Environment) -> Result<Writes, ConfigError> {
    if let Some(found) = flags
        .write_types
        .iter()
        .find(|found| !Resource::TYPES.contains(&found.as_str()))
    {
        let found = found.clone();
        return Err(ConfigError::WriteType { found });
    }
    if !flags.write_interactions.is_empty()
        && flags
            .write_interactions
            .iter()
            .all(|kind| *kind == WriteInteraction::Operation)
    {
        return Err(ConfigError::OperationAlone);
    }
    // Over stdio nobody else takes a confirmation.
    let seal_key = match flags.transport {
        TransportKind::Stdio => None,
        _ => authorization::seal_key(environment)?,
    };
    Ok(Writes {
        types: flags.write_types.clone(),
        interactions: flags.write_interactions.clone(),
        without_confirmation: flags.no_confirm,
        seal_key,
    })
}

fn web_url(environment: &Environment, name: &'static str) -> Result<Option<Url>, ConfigError> {
    let Some(value) = environment.get(name) else {
        return Ok(None);
    };
    let wrong = |reason: String| ConfigError::Url { name, reason };
    let mut url = Url::parse(value).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("found the scheme `{}`", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("found a user name or a password".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("found a query or a fragment".to_owned()));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(Some(url))
}

fn port(environment: &Environment) -> Result<u16, ConfigError> {
    environment.get(env::MCP_PORT).map_or(Ok(8000), |value| {
        value.parse().map_err(|_| ConfigError::Port {
            found: value.to_owned(),
        })
    })
}

fn timeout(environment: &Environment, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = environment.get(name) else {
        return Ok(None);
    };
    f64::from_str(value)
        .ok()
        .filter(|seconds| *seconds <= 3600.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| !timeout.is_zero())
        .map(Some)
        .ok_or_else(|| ConfigError::Timeout {
            name,
            found: value.to_owned(),
        })
}

fn rate_limit(environment: &Environment) -> Result<Option<NonZeroU32>, ConfigError> {
    let Some(value) = environment.get(env::MCP_RATE_LIMIT) else {
        return Ok(Some(RATE_LIMIT));
    };
    let limit = value.parse().map_err(|_| ConfigError::RateLimit {
        found: value.to_owned(),
    })?;
    Ok(NonZeroU32::new(limit))
}

/// Addresses and ranges. One of everybody would believe everybody.
fn trusted_proxies(environment: &Environment) -> Result<Vec<IpNet>, ConfigError> {
    let list = environment
        .get(env::MCP_TRUSTED_PROXIES)
        .unwrap_or_default();
    list.split([' ', ','])
        .filter(|text| !text.is_empty())
        .map(|text| {
            let range = text
                .parse()
                .or_else(|_error| text.parse().map(IpAddr::into));
            range
                .ok()
                .filter(|range: &IpNet| range.prefix_len() > 0)
                .ok_or_else(|| ConfigError::Proxy {
                    found: text.to_owned(),
                })
        })
        .collect()
}

/// Scheme, host and port, and nothing else: a wildcard would let every page in.
fn origins(environment: &Environment) -> Result<Vec<Url>, ConfigError> {
    let list = environment
        .get(env::MCP_ALLOWED_ORIGINS)
        .unwrap_or_default();
    list.split([' ', ','])
        .filter(|text| !text.is_empty())
        .map(|text| {
            Url::parse(text)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .filter(|url| url.origin().ascii_serialization() == text.trim_end_matches('/'))
                .ok_or_else(|| ConfigError::Origin {
                    found: text.to_owned(),
                })
        })
        .collect()
}

fn boolean(environment: &Environment, name: &'static str) -> Result<Option<bool>, ConfigError> {
    let Some(value) = environment.get(name) else {
        return Ok(None);
    };
    truth(value).map(Some).ok_or_else(|| ConfigError::Boolean {
        name,
        found: value.to_owned(),
    })
}

fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || IpAddr::from_str(host).is_ok_and(|address| address.is_loopback())
}

/// Over stdio nobody is authorized: whoever starts the program uses it.
fn without_effect(flags: &Flags, environment: &Environment) -> Vec<&'static str> {
    let mut names = vec![env::MCP_AUTHORIZATION_SERVER, env::MCP_SEAL_KEY];
    let stdio = flags.transport == TransportKind::Stdio;
    names.retain(|name| stdio && environment.get(name).is_some());
    names
}
