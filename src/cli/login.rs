//! `login`: signs in at the FHIR server before an MCP client needs it.

use std::{path::Path, process::ExitCode};

use super::USAGE;
use crate::{
    auth::smart::{TokenCredential, TokenSet},
    client::CredentialError,
    config::{
        Config, ConfigError, DataSource, Environment, Flags, TransportKind, upstream::Method,
    },
    logging,
};

/// What `login` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Flags of the server; those about tools have no effect here.
    #[command(flatten)]
    pub flags: Flags,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "Set FHIR_SERVER_CLIENT_ID and FHIR_SERVER_SCOPES: only OAuth has something to sign in to."
    )]
    NoOAuth,
    #[error("Pass --token-cache FILE: without it the tokens are lost when this program ends.")]
    NoCache,
    #[error("the sign-in did not work: {0}")]
    Failed(String),
}

/// Signs in, or renews what there is, and says what was granted. Tokens are
/// shown nowhere.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(arguments: &Arguments) -> ExitCode {
    logging::start(arguments.flags.log_level, arguments.flags.log_format);
    match signed_in(&arguments.flags) {
        Ok(tokens) => {
            report(&tokens);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                LoginError::Failed(_) => ExitCode::FAILURE,
                _ => ExitCode::from(USAGE),
            }
        }
    }
}

fn signed_in(flags: &Flags) -> Result<TokenSet, LoginError> {
    let mut flags = flags.clone();
    // A sign-in happens at this machine, whatever the server will serve over.
    flags.transport = TransportKind::Stdio;
    let environment = Environment::read(Path::new(".env")).map_err(ConfigError::from)?;
    let config = Config::new(&flags, &environment)?;
    let DataSource::Server { base, upstream, .. } = config.data else {
        return Err(LoginError::NoOAuth);
    };
    let failed = |error: &dyn std::error::Error| LoginError::Failed(error.to_string());
    let client = upstream
        .smart_client(&base)
        .map_err(|error| failed(&error))?
        .map(std::sync::Arc::new)
        .ok_or(LoginError::NoOAuth)?;
    let credential = match &upstream.method {
        Method::AuthorizationCode(_) if upstream.token_cache.is_none() => {
            return Err(LoginError::NoCache);
        }
        Method::AuthorizationCode(_) => upstream.launch(client),
        _ => TokenCredential::of_system(client),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(wait(&credential))
}

/// Waits until somebody has signed in, or it has failed.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
async fn wait(credential: &TokenCredential) -> Result<TokenSet, LoginError> {
    let mut told = false;
    loop {
        match credential.tokens().await {
            Ok(tokens) => return Ok((*tokens).clone()),
            Err(CredentialError::SignIn { url }) if !told => {
                eprintln!("Open this page in a browser on this machine to sign in:\n{url}");
                told = true;
            }
            Err(CredentialError::SignIn { .. }) => {}
            Err(error) => return Err(LoginError::Failed(error.to_string())),
        }
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn report(tokens: &TokenSet) {
    let scope = tokens.grant.scope.as_deref();
    eprintln!("Signed in. Granted: {}", scope.unwrap_or("not said"));
    if tokens.grant.patient.is_some() {
        eprintln!("The session is for one patient: all tools keep to their records.");
    }
    if tokens.refresh_token.is_none() && tokens.expires_at.is_some() {
        eprintln!(
            "No refresh token was given: ask for the scope offline_access to stay signed in."
        );
    }
}
