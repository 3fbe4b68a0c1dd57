//! Standalone launch on the user's own machine: a browser, and a redirect to a
//! port of this machine
//! ([RFC 8252 §7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use futures::future::BoxFuture;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    task::JoinHandle,
};
use url::Url;

use super::{
    authorization_code::{Callback, Pending},
    browser,
    client::SmartClient,
    refresh::{TokenSource, TokenStore, refreshed},
    token::TokenSet,
};
use crate::{
    auth::{error::AuthError, html::escaped},
    client::CredentialError,
};

/// How long a sign-in may take in all.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long one call waits for it: less than MCP clients wait for an answer.
const WAIT: Duration = Duration::from_secs(50);
/// Path of the redirect URI where none is set.
const PATH: &str = "/callback";

/// What a [`StandaloneLaunch`] may do.
#[derive(Clone, Debug, Default)]
pub struct LaunchOptions {
    /// Redirect URI as registered: `http`, this machine, a port. A free port of
    /// 127.0.0.1 where there is none.
    pub redirect_uri: Option<Url>,
    /// Whether the browser is opened; else the user is told the URL.
    pub open_browser: bool,
    /// Where tokens are kept beyond this process.
    pub store: Option<Arc<dyn TokenStore>>,
}

/// Tokens by a person who signs in. The first call that needs them starts it;
/// a call that comes later waits for it.
#[derive(Debug)]
pub struct StandaloneLaunch {
    client: Arc<SmartClient>,
    options: LaunchOptions,
    ongoing: Mutex<Option<Ongoing>>,
}

type Outcome = Option<Result<TokenSet, AuthError>>;

/// A sign-in that waits for its redirect.
#[derive(Debug)]
struct Ongoing {
    url: Url,
    outcome: watch::Receiver<Outcome>,
    task: JoinHandle<()>,
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StandaloneLaunch {
    /// Starts nothing.
    pub fn new(client: Arc<SmartClient>, options: LaunchOptions) -> Self {
        Self {
            client,
            options,
            ongoing: Mutex::default(),
        }
    }

    async fn sign_in(&self) -> Result<TokenSet, CredentialError> {
        let mut slot = self.ongoing.lock().await;
        let ongoing = match slot.as_mut() {
            Some(ongoing) => ongoing,
            None => {
                let ongoing = slot.insert(self.start().await?);
                if !(self.options.open_browser && browser::open(ongoing.url.clone()).await) {
                    let url = ongoing.url.clone();
                    return Err(CredentialError::SignIn { url });
                }
                ongoing
            }
        };
        let url = ongoing.url.clone();
        let waiting = ongoing.outcome.wait_for(Option::is_some);
        let result = match tokio::time::timeout(WAIT, waiting).await {
            Err(_elapsed) => return Err(CredentialError::SignIn { url }),
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_gone)) => None,
        };
        *slot = None;
        match result {
            Some(result) => Ok(result?),
            None => Err(CredentialError::Failed(
                "nobody signed in within ten minutes; call again to start anew".to_owned(),
            )),
        }
    }

    /// Listens for the redirect.
    async fn start(&self) -> Result<Ongoing, CredentialError> {
        let wanted = self.options.redirect_uri.as_ref();
        let port = wanted.and_then(Url::port_or_known_default).unwrap_or(0);
        let no_port = |_error| {
            CredentialError::Failed(format!(
                "port {port} of 127.0.0.1 is not free for the redirect of the sign-in; free it, or set another redirect URI"
            ))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(no_port)?;
        let redirect_uri = match wanted {
            Some(url) => url.clone(),
            None => {
                let port = listener.local_addr().map_err(no_port)?.port();
                Url::parse(&format!("http://127.0.0.1:{port}{PATH}"))
                    .map_err(|error| CredentialError::Failed(error.to_string()))?
            }
        };
        let (url, pending) = self.client.authorize(&redirect_uri).await?;
        let (sender, outcome) = watch::channel(None);
        let waiting = Arc::new(Waiting {
            client: Arc::clone(&self.client),
            path: redirect_uri.path().to_owned(),
            pending: Mutex::new(Some(pending)),
            sender,
        });
        let app = Router::new().fallback(answer).with_state(waiting);
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, app).into_future();
            // Either way the channel closes with the app.
            drop(tokio::time::timeout(PATIENCE, serving).await);
        });
        Ok(Ongoing { url, outcome, task })
    }
}

impl TokenSource for StandaloneLaunch {
    fn renew<'a>(
        &'a self,
        old: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<TokenSet, CredentialError>> {
        Box::pin(async move {
            let store = self.options.store.as_deref();
            match refreshed(&self.client, store, old).await? {
                Ok(tokens) => return Ok(tokens),
                Err(AuthError::SignedOut) => {}
                Err(error) => return Err(error.into()),
            }
            let tokens = self.sign_in().await?;
            if let Some(store) = store {
                let guard = store.lock().await?;
                store.save(Some(&tokens)).await?;
                drop(guard);
            }
            Ok(tokens)
        })
    }

    fn renews_alone(&self, old: &TokenSet) -> bool {
        old.refresh_token.is_some()
    }
}

/// What the redirect is compared with.
struct Waiting {
    client: Arc<SmartClient>,
    path: String,
    pending: Mutex<Option<Pending>>,
    sender: watch::Sender<Outcome>,
}

/// Answers a request to the redirect URI. What does not carry the right state
/// changes nothing: any page can make the browser call here.
async fn answer(State(waiting): State<Arc<Waiting>>, uri: Uri, headers: HeaderMap) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let local = host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "127.0.0.1" | "localhost")
    });
    if !local || uri.path() != waiting.path {
        return page(StatusCode::NOT_FOUND, "There is nothing here.");
    }
    let callback = Callback::from_query(uri.query().unwrap_or_default());
    let request = {
        let mut pending = waiting.pending.lock().await;
        pending.take_if(|pending| pending.is_answered_by(&callback))
    };
    let Some(request) = request else {
        return page(
            StatusCode::BAD_REQUEST,
            "This is not the answer to the sign-in that is going on.",
        );
    };
    // The code is used up: whoever closes the page now has signed in all the same.
    let signing_in = tokio::spawn(async move {
        let result = waiting.client.exchange(request, callback).await;
        let failure = result.as_ref().err().map(ToString::to_string);
        waiting.sender.send_replace(Some(result));
        failure
    });
    match signing_in.await {
        Ok(None) => page(
            StatusCode::OK,
            "You are signed in. Close this page and go back to your assistant.",
        ),
        Ok(Some(error)) => page(
            StatusCode::BAD_REQUEST,
            &format!("The sign-in did not work: {error}."),
        ),
        Err(_interrupted) => page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The sign-in was interrupted. Go back to your assistant and start anew.",
        ),
    }
}

fn page(status: StatusCode, text: &str) -> Response {
    let safe = escaped(text);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign-in</title><p>{safe}</p></html>"
    );
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html)).into_response()
}
