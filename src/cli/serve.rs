//! Without a subcommand: the server.

use std::{io, net::SocketAddr, path::Path, process::ExitCode};

use rmcp::ServerHandler;
use tokio::net::{TcpListener, lookup_host};

use super::USAGE;
use crate::{
    config::{Config, Environment, Flags, Listen, TransportKind},
    logging,
    transport::{
        http::{self, HttpOptions},
        stdio::{self, StdioError},
    },
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
        tracing::warn!("{name} is set, and has no effect until authorization is there");
    }
    match start(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("The system gives no threads to work with.")]
    Runtime(#[source] io::Error),
    #[error(
        "Cannot listen on {host}, port {port}; set FHIR_MCP_HOST and FHIR_MCP_PORT to a loopback address and a free port."
    )]
    Listen {
        host: String,
        port: u16,
        #[source]
        error: io::Error,
    },
    #[error("Serving over HTTP failed.")]
    Http(#[source] io::Error),
    #[error("Serving over standard input and output failed.")]
    Stdio(#[from] StdioError),
}

fn start(config: &Config) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let result = runtime.block_on(serve(config, Placeholder));
    // Not waited for: a blocking read of standard input ends only with the
    // input.
    runtime.shutdown_background();
    result
}

async fn serve<H: ServerHandler + Clone>(config: &Config, handler: H) -> Result<(), ServeError> {
    if config.transport == TransportKind::Stdio {
        tracing::info!("serving on standard input and output");
        stdio::run(handler, shutdown()).await?;
    } else {
        let listener = listen(&config.listen)
            .await
            .map_err(|error| ServeError::Listen {
                host: config.listen.host.clone(),
                port: config.listen.port,
                error,
            })?;
        let address = listener.local_addr().map_err(ServeError::Http)?;
        let path = match config.transport {
            TransportKind::Sse => "/sse",
            _ => "/mcp",
        };
        tracing::info!("listening on http://{address}{path}");
        let options = HttpOptions {
            public_url: config.public_url.clone(),
            legacy_sessions: config.legacy_sessions,
        };
        http::run(listener, handler, options, shutdown())
            .await
            .map_err(ServeError::Http)?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Listens on a loopback address of the host; on an IPv4 one if there is one,
/// since that is what most clients try first for `localhost`.
async fn listen(listen: &Listen) -> io::Result<TcpListener> {
    let mut addresses: Vec<SocketAddr> = lookup_host((listen.host.as_str(), listen.port))
        .await?
        .filter(|address| address.ip().is_loopback())
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "the name has no loopback address",
        ));
    }
    TcpListener::bind(addresses.as_slice()).await
}

/// Completes when the process is asked to stop: SIGTERM, Ctrl-C.
async fn shutdown() {
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
    tracing::info!("stopping");
}

/// An error with its causes, each as a sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text} Cause: {error}");
        cause = error.source();
    }
    text
}

/// Stands in until the tools are there.
#[derive(Clone)]
struct Placeholder;

impl ServerHandler for Placeholder {}
