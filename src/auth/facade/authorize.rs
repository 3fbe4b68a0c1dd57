//! The way of a browser: from the client to the consent page, to the FHIR
//! server's authorization server, back here, and back to the client.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Client, Facade, OAuthError, Outcome,
    client::redirect_uri,
    consent::{Consent, failure, way_back},
    cookies::Cookies,
    parameters::Parameters,
    store::{Key, Kind},
    token::Code,
};
use crate::auth::{
    scope::Scopes,
    seal::{equal, hash, random_text},
    smart,
};

const CONSENT: &str = "consent";
/// Characters of a code challenge: SHA-256 in base64url.
const CHALLENGE_LENGTH: usize = 43;
/// Longest `state` of a client.
const MAX_STATE: usize = 2048;

/// What a client asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    state: Option<String>,
    /// Of PKCE, by S256.
    pub(super) challenge: String,
    pub(super) scope: String,
}

/// A request that waits for consent.
#[derive(Serialize, Deserialize)]
struct Pending {
    request: Request,
    /// Hash of the cookie of the browser that saw the page.
    browser: String,
    expires: u64,
}

/// A browser at the FHIR server's authorization server.
#[derive(Serialize, Deserialize)]
struct Login {
    request: Request,
    /// Hash of the cookie of the browser that went.
    browser: String,
    /// Our request there.
    upstream: smart::Pending,
}

impl Facade {
    /// `GET /authorize`: shows the consent page. Nothing is kept.
    ///
    /// Nobody is sent on before they have seen a page: anyone can register a
    /// client, and an address of this server must not lead to any other that
    /// someone chose ([RFC 9700 §4.11.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2)).
    pub async fn authorize(&self, query: &str, cookies: &str) -> Outcome {
        match self.requested(query).await {
            Ok((client, request)) => self
                .consent_page(&client, &request, cookies)
                .unwrap_or_else(|error| self.way_back(&request, error)),
            Err(Denied::Page(error)) => error_page(&error),
            Err(Denied::Client(request, error)) => self.way_back(&request, error),
        }
    }

    /// A page with the error, and with the link by which the client is told.
    fn way_back(&self, request: &Request, error: OAuthError) -> Outcome {
        let what = error.description.clone();
        match self.answer_url(request, Err(error)) {
            Some(url) => Outcome::Page {
                status: 400,
                html: way_back(&what, &url),
                cookie: None,
            },
            None => unreachable_client(None),
        }
    }

    /// Checks a request. Before client and redirect URI are known to belong
    /// together nothing is sent anywhere; RFC 6749, section 4.1.2.1.
    async fn requested(&self, query: &str) -> Result<(Client, Request), Denied> {
        let parameters = Parameters::parse(query).map_err(Denied::Page)?;
        let id = parameters.need("client_id").map_err(Denied::Page)?;
        let client = self.client(id).await.map_err(Denied::Page)?;
        let redirect = parameters.need("redirect_uri").map_err(Denied::Page)?;
        if !client.may_redirect_to(redirect) {
            return Err(Denied::Page(OAuthError::new(
                "invalid_request",
                "The redirect_uri is none of the client's.",
            )));
        }
        let mut request = Request {
            client_id: client.id.clone(),
            redirect_uri: redirect.to_owned(),
            state: parameters.get("state").map(str::to_owned),
            challenge: String::new(),
            scope: String::new(),
        };
        match self.complete(&mut request, &parameters) {
            Ok(()) => Ok((client, request)),
            Err(error) => {
                // It is not sent back, however long it is.
                request.state = request.state.filter(|state| state.len() <= MAX_STATE);
                Err(Denied::Client(request, error))
            }
        }
    }

    fn complete(&self, request: &mut Request, parameters: &Parameters) -> Result<(), OAuthError> {
        let invalid = |description: &str| OAuthError::new("invalid_request", description);
        if request.state.as_ref().is_some_and(|s| s.len() > MAX_STATE) {
            return Err(invalid("state is over 2048 characters."));
        }
        if parameters.need("response_type")? != "code" {
            return Err(OAuthError::new(
                "unsupported_response_type",
                "response_type is code.",
            ));
        }
        let challenge = parameters.need("code_challenge")?;
        if parameters.get("code_challenge_method") != Some("S256")
            || challenge.len() != CHALLENGE_LENGTH
        {
            return Err(invalid(
                "PKCE is required: code_challenge_method S256, and code_challenge the SHA-256 of the verifier in base64url.",
            ));
        }
        if !parameters
            .all("resource")
            .all(|uri| self.resource().is_ours(uri))
        {
            return Err(OAuthError::new(
                "invalid_target",
                format!("resource is {}/mcp.", self.issuer()),
            ));
        }
        request.challenge = challenge.to_owned();
        request.scope = self.granted(parameters.get("scope"))?.to_string();
        Ok(())
    }

    /// What a request for these scopes is given. Unknown ones are left out;
    /// without any, it is reading.
    fn granted(&self, scope: Option<&str>) -> Result<Scopes, OAuthError> {
        let supported = self.resource().supported();
        let granted = scope.map_or(Scopes::READ, Scopes::parse).and(supported);
        if granted.is_empty() {
            return Err(OAuthError::new(
                "invalid_scope",
                format!("The scopes here are: {supported}."),
            ));
        }
        Ok(granted)
    }

    fn consent_page(
        &self,
        client: &Client,
        request: &Request,
        cookies: &str,
    ) -> Result<Outcome, OAuthError> {
        let lifetime = self.lifetimes().login;
        // Kept when it is there, so that pages in several tabs stay valid.
        let browser = match self.cookies().get(cookies, CONSENT) {
            Some(browser) => browser.to_owned(),
            None => random_text()?,
        };
        let pending = Pending {
            request: request.clone(),
            browser: hash(&browser),
            expires: self.now() + lifetime.as_secs(),
        };
        let plain = serde_json::to_vec(&pending)
            .map_err(|_error| OAuthError::new("server_error", "The request cannot be kept."))?;
        let sealed = self.options.key.seal_text(CONSENT, &plain)?;
        let redirect_uri = redirect_uri(&request.redirect_uri)
            .ok_or_else(|| OAuthError::new("invalid_request", "The redirect_uri is no URL."))?;
        let base = Url::parse(self.issuer()).ok();
        let consent = Consent {
            client,
            redirect_uri: &redirect_uri,
            scopes: Scopes::parse(&request.scope),
            fhir_server: &self.options.fhir_server,
            base: base
                .as_ref()
                .map_or("", |base| base.path().trim_end_matches('/')),
            request: &sealed,
        };
        Ok(Outcome::Page {
            status: 200,
            html: consent.html(),
            cookie: Some(self.cookies().set(CONSENT, &browser, lifetime)),
        })
    }

    /// `POST /authorize/consent`: the user's decision. Only now is anything
    /// kept.
    pub async fn decide(&self, form: &str, cookies: &str) -> Outcome {
        let (request, allowed) = match self.decision(form, cookies) {
            Ok(decision) => decision,
            Err(error) => return error_page(&error),
        };
        let departed = match allowed {
            true => self.depart(&request).await,
            false => Err(OAuthError::new(
                "access_denied",
                "The user did not allow it.",
            )),
        };
        departed.unwrap_or_else(|error| self.to_client(&request, Err(error), None))
    }

    /// The request that was decided on, by the browser that saw the page, in
    /// time.
    fn decision(&self, form: &str, cookies: &str) -> Result<(Request, bool), OAuthError> {
        let stale = || {
            OAuthError::new(
                "invalid_request",
                "The page has expired, or comes from another browser.",
            )
        };
        let parameters = Parameters::parse(form)?;
        let sealed = parameters.need("request")?;
        let plain = self
            .options
            .key
            .open_text(CONSENT, sealed)
            .ok_or_else(stale)?;
        let pending: Pending = serde_json::from_slice(&plain).map_err(|_error| stale())?;
        let browser = self.cookies().get(cookies, CONSENT).ok_or_else(stale)?;
        if !equal(&hash(browser), &pending.browser) || pending.expires <= self.now() {
            return Err(stale());
        }
        match parameters.need("decision")? {
            "allow" => Ok((pending.request, true)),
            _ => Ok((pending.request, false)),
        }
    }

    async fn depart(&self, request: &Request) -> Result<Outcome, OAuthError> {
        let browser = random_text()?;
        let redirect_uri = Url::parse(&self.redirect_uri())
            .map_err(|_error| OAuthError::new("server_error", "The server has no URL."))?;
        // A request of our own: another state, another code verifier.
        let upstream = &self.options.upstream;
        let (url, pending) = upstream.authorize(&redirect_uri).await?;
        let state = pending.state.clone();
        let login = Login {
            request: request.clone(),
            browser: hash(&browser),
            upstream: pending,
        };
        let lifetime = self.lifetimes().login;
        let key = Key::new(Kind::Login, &state);
        self.vault.put(key, &login, lifetime).await?;
        let cookie = self
            .cookies()
            .set(&login_cookie(&state), &browser, lifetime);
        Ok(Outcome::Redirect {
            url: url.into(),
            cookie: Some(cookie),
        })
    }

    /// `GET /oauth/callback`: the browser comes back.
    pub async fn callback(&self, query: &str, cookies: &str) -> Outcome {
        let (state, login) = match self.returned(query, cookies).await {
            Ok(returned) => returned,
            Err(error) => return error_page(&error),
        };
        let request = login.request.clone();
        let code = self.arrive(login, query).await;
        let cookies = self.cookies();
        let gone = cookies.set(&login_cookie(&state), "", Duration::ZERO);
        self.to_client(&request, code, Some(gone))
    }

    /// The login that a browser comes back from, once. A state that another
    /// browser brings is used up all the same.
    async fn returned(&self, query: &str, cookies: &str) -> Result<(String, Login), OAuthError> {
        let parameters = Parameters::parse(query)?;
        let state = parameters.need("state")?.to_owned();
        let login: Option<Login> = self.vault.take(Key::new(Kind::Login, &state)).await?;
        let stale = |description| OAuthError::new("invalid_request", description);
        let login =
            login.ok_or_else(|| stale("The sign-in has expired or was already finished."))?;
        let browser = self.cookies().get(cookies, &login_cookie(&state));
        if !browser.is_some_and(|browser| equal(&hash(browser), &login.browser)) {
            return Err(stale("The sign-in was begun in another browser."));
        }
        Ok((state, login))
    }

    /// Gets the user's tokens, and a code of ours that stands for them.
    async fn arrive(&self, login: Login, query: &str) -> Result<String, OAuthError> {
        let callback = smart::Callback::from_query(query);
        let upstream = &self.options.upstream;
        let tokens = upstream.exchange(login.upstream, callback).await?;
        let code = random_text()?;
        let value = Code {
            request: login.request,
            tokens,
        };
        let key = Key::new(Kind::Code, &code);
        self.vault.put(key, &value, self.lifetimes().code).await?;
        Ok(code)
    }

    /// Sends the browser back to the client, with a code or an error.
    fn to_client(
        &self,
        request: &Request,
        code: Result<String, OAuthError>,
        cookie: Option<String>,
    ) -> Outcome {
        match self.answer_url(request, code) {
            Some(url) => Outcome::Redirect {
                url: url.into(),
                cookie,
            },
            None => unreachable_client(cookie),
        }
    }

    /// The redirect URI with an answer; RFC 6749, section 4.1.2, and RFC 9207.
    fn answer_url(&self, request: &Request, code: Result<String, OAuthError>) -> Option<Url> {
        let mut url = redirect_uri(&request.redirect_uri)?;
        {
            let mut query = url.query_pairs_mut();
            match &code {
                Ok(code) => {
                    query.append_pair("code", code);
                }
                Err(error) => {
                    query.append_pair("error", error.code);
                    query.append_pair("error_description", &error.description);
                }
            }
            if let Some(state) = &request.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", self.issuer());
        }
        Some(url)
    }

    fn cookies(&self) -> Cookies {
        Cookies::new(self.issuer())
    }
}

/// Why a request gets no consent page.
enum Denied {
    /// It is not known who asks: the user is told.
    Page(OAuthError),
    /// The client is told, if the user goes there.
    Client(Request, OAuthError),
}

/// One cookie for each login, so that several go side by side.
fn login_cookie(state: &str) -> String {
    let mut name = hash(state);
    name.truncate(16);
    format!("login-{name}")
}

fn unreachable_client(cookie: Option<String>) -> Outcome {
    Outcome::Page {
        status: 400,
        html: failure("The application cannot be reached.", "Start again from it."),
        cookie,
    }
}

fn error_page(error: &OAuthError) -> Outcome {
    let status = match error.status {
        401 => 400,
        status => status,
    };
    Outcome::Page {
        status,
        html: failure(
            &error.description,
            "Go back to the application and connect again. If this stays, remove the connection there and add it anew.",
        ),
        cookie: None,
    }
}
