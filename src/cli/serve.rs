//! Without a subcommand: the server.

use std::{io, net::SocketAddr, path::Path, process::ExitCode, sync::Arc};

use rmcp::ServerHandler;
use tokio::net::{TcpListener, lookup_host};

use super::{USAGE, authorization, loaded};
use crate::{
    auth::AuthError,
    client::{self, AuditLog, ClientError, FixtureStore, HttpClient, Source, fixtures::LoadError},
    config::{
        Config, DataSource, Environment, Flags, Listen, OnInvalid, TransportKind, WriteInteraction,
        Writes,
    },
    logging,
    mcp::{self, FhirServer},
    transport::{
        http::{self, HttpOptions},
        stdio::{self, StdioError},
    },
    validation::{self, PackageError, Validator},
};

/// Threads that work on requests. Little is computed per request, so more
/// would only take memory.
const WORKERS: usize = 2;

/// Runs the server until its client leaves (stdio) or it is told to stop.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(flags: &Flags) -> ExitCode {
    let config = Environment::read(Path::new(".env"))
        .map_err(Into::into)
        .and_then(|environment| Config::new(flags, &environment));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    logging::start(flags.log_level, flags.log_format);
    for name in &config.without_effect {
        tracing::warn!("{name} is set, and has no effect over stdio");
    }
    let result = start(&config);
    logging::end();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            match error {
                ServeError::Audit(_)
                | ServeError::Auth(_)
                | ServeError::Client(_)
                | ServeError::Fixtures(_)
                | ServeError::NothingToServe
                | ServeError::Package(_) => ExitCode::from(USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("set FHIR_SERVER_BASE_URL and FHIR_SERVER_ACCESS_TOKEN to what can be used")]
    Client(#[from] ClientError),
    #[error("set FHIR_SERVER_CLIENT_ID and FHIR_SERVER_AUTH_… to what can be used")]
    Auth(#[from] AuthError),
    #[error("set --fixtures to files and folders with FHIR resources")]
    Fixtures(#[from] LoadError),
    #[error(
        "set --fixtures to files and folders with FHIR resources: there is none in what it names (with --allow-writes that is no error)"
    )]
    NothingToServe,
    #[error("set --package to FHIR packages (.tgz)")]
    Package(#[from] PackageError),
    #[error("set --audit to a file that can be written")]
    Audit(#[source] io::Error),
    #[error("the system gives no threads or no signals to work with")]
    Runtime(#[source] io::Error),
    #[error(
        "set FHIR_MCP_HOST and FHIR_MCP_PORT to an address of this machine and a free port; cannot listen on {host}, port {port}"
    )]
    Listen {
        host: String,
        port: u16,
        #[source]
        error: io::Error,
    },
    #[error("clients cannot be authorized")]
    Authorization(#[from] authorization::AuthorizationError),
    #[error("serving over HTTP failed")]
    Http(#[source] io::Error),
    #[error("serving over standard input and output failed")]
    Stdio(#[from] StdioError),
}

fn start(config: &Config) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let result = runtime.block_on(async {
        let options = mcp::Options {
            allow_writes: config.allow_writes,
            writes: writes(&config.writes),
            on_invalid: match config.on_invalid {
                OnInvalid::Withhold => mcp::OnInvalid::Withhold,
                OnInvalid::Flag => mcp::OnInvalid::Flag,
            },
            call_timeout: config.call_timeout,
        };
        let validator = Arc::new(Validator::new(validation::Options {
            packages: config.packages.clone(),
            ..validation::Options::default()
        })?);
        for warning in validator.warnings() {
            tracing::warn!("{warning}");
        }
        let source = audited(source(config, &validator)?, config)?;
        let server = FhirServer::with_validator(source, options, validator);
        serve(config, server).await
    });
    // Not waited for: a blocking read of standard input ends only with the
    // input.
    runtime.shutdown_background();
    result
}

fn writes(config: &Writes) -> mcp::WriteOptions {
    let interactions = config.interactions.iter().map(|kind| match kind {
        WriteInteraction::Create => mcp::WriteInteraction::Create,
        WriteInteraction::Update => mcp::WriteInteraction::Update,
        WriteInteraction::Delete => mcp::WriteInteraction::Delete,
        WriteInteraction::Operation => mcp::WriteInteraction::Operation,
    });
    mcp::WriteOptions {
        types: config.types.clone(),
        interactions: interactions.collect(),
        without_confirmation: config.without_confirmation,
        confirm_within: None,
        seal_key: config.seal_key.clone(),
    }
}

fn source(config: &Config, validator: &Arc<Validator>) -> Result<Source, ServeError> {
    match &config.data {
        DataSource::Server {
            base,
            upstream,
            timeout,
        } => {
            let interactive = config.transport == TransportKind::Stdio;
            let credential = upstream.credential(base, interactive)?;
            let options = client::HttpOptions {
                credential,
                timeout: *timeout,
                tls: upstream.tls.clone(),
                ..client::HttpOptions::new(base.clone())
            };
            Ok(Source::Http(HttpClient::new(options)?))
        }
        DataSource::Fixtures(paths) => {
            let (store, report) = FixtureStore::load(paths, Arc::clone(validator))?;
            loaded::log(&report);
            if report.resources == 0 && !config.allow_writes {
                return Err(ServeError::NothingToServe);
            }
            Ok(Source::Fixtures(store))
        }
    }
}

/// The source with the audit log, if one is wanted.
fn audited(source: Source, config: &Config) -> Result<Source, ServeError> {
    match &config.audit {
        Some(path) => {
            Ok(source.with_audit(Arc::new(AuditLog::open(path).map_err(ServeError::Audit)?)))
        }
        None => Ok(source),
    }
}

async fn serve<H: ServerHandler + Clone>(config: &Config, handler: H) -> Result<(), ServeError> {
    let shutdown = shutdown().map_err(ServeError::Runtime)?;
    if config.transport == TransportKind::Stdio {
        tracing::info!("serving on standard input and output");
        stdio::run(handler, shutdown).await?;
    } else {
        let listener = listen(config).await.map_err(|error| ServeError::Listen {
            host: config.listen.host.clone(),
            port: config.listen.port,
            error,
        })?;
        let address = listener.local_addr().map_err(ServeError::Http)?;
        let path = match config.transport {
            TransportKind::Sse => "/sse",
            _ => "/mcp",
        };
        let base =
            authorization::base(config, address).map_err(authorization::AuthorizationError::Url)?;
        let authorization = authorization::authorization(config, &base).await?;
        match &authorization {
            None => tracing::info!("listening on http://{address}{path}"),
            // A token is for this very URL.
            Some(authorization) => {
                let base = authorization.resource.base();
                tracing::info!("listening on {address}; clients use {base}{path} and authorize");
            }
        }
        let options = HttpOptions {
            public_url: config.public_url.clone(),
            legacy_sessions: config.legacy_sessions,
            allowed_origins: config.allowed_origins.clone(),
            rate_limit: config.rate_limit,
            trusted_proxies: config.trusted_proxies.clone(),
            max_requests: None,
            authorization,
        };
        http::run(listener, handler, options, shutdown)
            .await
            .map_err(ServeError::Http)?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Listens on an address of the host; on an IPv4 one if there is one, since
/// that is what most clients try first for `localhost`. A name that is meant to
/// be this machine must not lead elsewhere.
async fn listen(config: &Config) -> io::Result<TcpListener> {
    let Listen { host, port } = &config.listen;
    let mut addresses: Vec<SocketAddr> = lookup_host((host.as_str(), *port)).await?.collect();
    if config.listen.is_loopback() {
        addresses.retain(|address| address.ip().is_loopback());
    }
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "the name has no address that may be used",
        ));
    }
    TcpListener::bind(addresses.as_slice()).await
}

/// From here on SIGTERM and Ctrl-C do not end the process: the future completes
/// instead.
fn shutdown() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let signal = {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
    };
    #[cfg(windows)]
    let signal = {
        let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
        async move {
            ctrl_c.recv().await;
        }
    };
    Ok(async {
        signal.await;
        tracing::info!("stopping");
    })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
