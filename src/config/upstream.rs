//! What lets us in at the FHIR server: which way, and with what.

use std::{path::PathBuf, sync::Arc};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::{Flags, env, env::Environment, truth};
use crate::{
    auth::{
        AuthError,
        smart::{
            Authentication, LaunchOptions, SigningKey, SmartClient, SmartOptions, StandaloneLaunch,
            TokenCredential, TokenFile, TokenStore,
        },
    },
    client::{
        Credential, FixedHeaders, Secret, Tls, TokenFromFile, WithHeaders,
        service_base::is_loopback,
    },
};

/// Everything that is set about authorization at the FHIR server.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The way in.
    pub method: Method,
    /// Headers beside it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Roots and client certificate.
    pub tls: Tls,
    /// Redirect URI of a sign-in on this machine.
    pub redirect_uri: Option<Url>,
    /// File that keeps the tokens of a sign-in.
    pub token_cache: Option<PathBuf>,
}

/// A way in.
#[derive(Clone, Debug)]
pub enum Method {
    /// None: the server is open, or a certificate or a header does it.
    None,
    /// A bearer token.
    Token(Secret),
    /// A bearer token in a file.
    TokenFile(PathBuf),
    /// User name and password.
    Basic(String, Secret),
    /// OAuth for this program itself.
    ClientCredentials(OAuthClient),
    /// OAuth for a person who signs in.
    AuthorizationCode(OAuthClient),
}

/// This program as it is registered at the authorization server.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// Its id.
    pub id: String,
    /// How it proves itself.
    pub authentication: Authentication,
    /// What to ask for, separated by blanks.
    pub scope: String,
}

/// Settings that cannot work. Each message is one sentence that says what to set.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A token that no header can carry.
    #[error(
        "Set FHIR_SERVER_ACCESS_TOKEN to the token alone, in visible ASCII characters without blanks and without `Bearer`."
    )]
    Token,
    /// Two settings that exclude each other.
    #[error("Remove either {0} or {1}: they contradict each other{2}.")]
    Clash(&'static str, &'static str, &'static str),
    /// A setting that needs another.
    #[error("Set {missing} too, or remove {given}{why}.")]
    Missing {
        /// What is set.
        given: &'static str,
        /// What is not.
        missing: &'static str,
        /// Why it is needed.
        why: &'static str,
    },
    /// A value that cannot be one.
    #[error("Set {name} to {expected}.")]
    Value {
        /// Name of the variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A file that cannot be read.
    #[error("Set {name} to a file that can be read: {reason}.")]
    File {
        /// Name of the variable.
        name: &'static str,
        /// Why it cannot.
        reason: String,
    },
    /// A key that cannot sign.
    #[error("Set FHIR_SERVER_AUTH_PRIVATE_KEY_FILE to a key that can sign: {0}.")]
    Key(AuthError),
    /// Credentials would travel in the clear.
    #[error(
        "Set FHIR_SERVER_BASE_URL to an https URL, or FHIR_SERVER_AUTH_ALLOW_HTTP to true: over http everybody on the way can read the credentials."
    )]
    Http,
}

type Result<T, E = UpstreamError> = std::result::Result<T, E>;

impl Upstream {
    /// Puts flags and environment together. Reads the files that are named.
    ///
    /// # Errors
    /// [`UpstreamError`]: one sentence that says what to set.
    pub fn new(flags: &Flags, environment: &Environment, base: Option<&Url>) -> Result<Self> {
        let settings = Settings(environment);
        let method = settings.method()?;
        let headers = settings.headers(&method)?;
        let redirect_uri = settings.redirect_uri()?;
        let by_person = matches!(method, Method::AuthorizationCode(_));
        let only = "FHIR_SERVER_CLIENT_ID";
        let why = ": only a sign-in by a person needs it";
        if flags.token_cache.is_some() && !by_person {
            return Err(missing("--token-cache", only, why));
        }
        if redirect_uri.is_some() && !by_person {
            return Err(missing(env::AUTH_REDIRECT_URI, only, why));
        }
        let has_secrets = !matches!(method, Method::None) || !headers.is_empty();
        let in_the_clear = base.is_some_and(|base| base.scheme() == "http" && !is_loopback(base));
        if has_secrets && in_the_clear && !settings.allow_http()? {
            return Err(UpstreamError::Http);
        }
        Ok(Self {
            method,
            headers,
            tls: settings.tls()?,
            redirect_uri,
            token_cache: flags.token_cache.clone(),
        })
    }

    /// The OAuth client, where the way in is OAuth.
    ///
    /// # Errors
    /// [`AuthError::Setup`].
    pub fn smart_client(&self, base: &Url) -> std::result::Result<Option<SmartClient>, AuthError> {
        let (Method::ClientCredentials(client) | Method::AuthorizationCode(client)) = &self.method
        else {
            return Ok(None);
        };
        SmartClient::new(SmartOptions {
            base: base.clone(),
            client_id: client.id.clone(),
            authentication: client.authentication.clone(),
            scope: client.scope.clone(),
            tls: self.tls.clone(),
            headers: self.headers.clone(),
        })
        .map(Some)
    }

    /// The credential of the server itself. Where users sign in there is one
    /// only if the user sits at this machine.
    ///
    /// # Errors
    /// [`AuthError`] when something set cannot be used.
    pub fn credential(
        &self,
        base: &Url,
        interactive: bool,
    ) -> std::result::Result<Option<Arc<dyn Credential>>, AuthError> {
        let client = self.smart_client(base)?.map(Arc::new);
        let inner: Option<Arc<dyn Credential>> = match (&self.method, client) {
            (Method::Token(token), _) => Some(Arc::new(FixedHeaders::bearer(token)?)),
            (Method::TokenFile(path), _) => Some(Arc::new(TokenFromFile::new(path.clone()))),
            (Method::Basic(user, password), _) => {
                Some(Arc::new(FixedHeaders::basic(user, password)?))
            }
            (Method::ClientCredentials(_), Some(client)) => {
                Some(Arc::new(TokenCredential::of_system(client)))
            }
            (Method::AuthorizationCode(_), Some(client)) if interactive => {
                Some(Arc::new(self.launch(client)))
            }
            _ => None,
        };
        if self.headers.is_empty() {
            return Ok(inner);
        }
        Ok(Some(Arc::new(WithHeaders::new(
            self.headers.clone(),
            inner,
        ))))
    }

    /// The credential of a person who signs in at this machine.
    pub fn launch(&self, client: Arc<SmartClient>) -> TokenCredential {
        let store = self.token_cache.as_ref().map(|path| {
            let file = TokenFile::new(path.clone(), client.base(), client.client_id());
            Arc::new(file) as Arc<dyn TokenStore>
        });
        let options = LaunchOptions {
            redirect_uri: self.redirect_uri.clone(),
            open_browser: true,
            store,
        };
        TokenCredential::new(StandaloneLaunch::new(client, options), None)
    }
}

struct Settings<'a>(&'a Environment);

impl Settings<'_> {
    fn get(&self, name: &'static str) -> Option<&str> {
        self.0.get(name)
    }

    fn method(&self) -> Result<Method> {
        let ways = [
            env::SERVER_ACCESS_TOKEN,
            env::AUTH_TOKEN_FILE,
            env::AUTH_USERNAME,
            env::SERVER_CLIENT_ID,
        ];
        let mut given = ways.into_iter().filter(|name| self.get(name).is_some());
        let way = given.next();
        if let (Some(way), Some(other)) = (way, given.next()) {
            return Err(UpstreamError::Clash(
                way,
                other,
                "; one of them lets us in at the FHIR server",
            ));
        }
        self.complete(way)?;
        match way {
            Some(env::SERVER_ACCESS_TOKEN) => self.token().map(Method::Token),
            Some(env::AUTH_TOKEN_FILE) => {
                self.file(env::AUTH_TOKEN_FILE)?;
                let path = self.get(env::AUTH_TOKEN_FILE).unwrap_or_default();
                Ok(Method::TokenFile(PathBuf::from(path)))
            }
            Some(env::AUTH_USERNAME) => self.basic(),
            Some(_) => self.oauth(),
            None => Ok(Method::None),
        }
    }

    /// Refuses settings whose way in is not the one that is set.
    fn complete(&self, way: Option<&str>) -> Result<()> {
        let parts = [
            (env::AUTH_PASSWORD, env::AUTH_USERNAME),
            (env::AUTH_PASSWORD_FILE, env::AUTH_USERNAME),
            (env::SERVER_CLIENT_SECRET, env::SERVER_CLIENT_ID),
            (env::AUTH_CLIENT_SECRET_FILE, env::SERVER_CLIENT_ID),
            (env::AUTH_PRIVATE_KEY_FILE, env::SERVER_CLIENT_ID),
            (env::AUTH_KEY_ID, env::SERVER_CLIENT_ID),
            (env::AUTH_GRANT, env::SERVER_CLIENT_ID),
            (env::SERVER_SCOPES, env::SERVER_CLIENT_ID),
        ];
        for (given, needed) in parts {
            if self.get(given).is_some() && way != Some(needed) {
                return Err(missing(
                    given,
                    needed,
                    ": the one is nothing without the other",
                ));
            }
        }
        Ok(())
    }

    fn token(&self) -> Result<Secret> {
        let token = self.get(env::SERVER_ACCESS_TOKEN).unwrap_or_default();
        match token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Secret::new(token)),
            false => Err(UpstreamError::Token),
        }
    }

    fn basic(&self) -> Result<Method> {
        let user = self.get(env::AUTH_USERNAME).unwrap_or_default();
        if user.contains(':') {
            return Err(UpstreamError::Value {
                name: env::AUTH_USERNAME,
                expected: "a name without a colon",
            });
        }
        let password = self.secret(env::AUTH_PASSWORD, env::AUTH_PASSWORD_FILE)?;
        let password = password.ok_or(missing(env::AUTH_USERNAME, env::AUTH_PASSWORD, ""))?;
        Ok(Method::Basic(user.to_owned(), password))
    }

    fn oauth(&self) -> Result<Method> {
        let secret = self.secret(env::SERVER_CLIENT_SECRET, env::AUTH_CLIENT_SECRET_FILE)?;
        let key = self.key()?;
        let by_itself = match self.get(env::AUTH_GRANT) {
            Some("client_credentials") => true,
            Some("authorization_code") => false,
            None => key.is_some(),
            Some(_) => {
                return Err(UpstreamError::Value {
                    name: env::AUTH_GRANT,
                    expected: "authorization_code or client_credentials",
                });
            }
        };
        let authentication = match (secret, key) {
            (None, None) if by_itself => {
                return Err(missing(
                    env::AUTH_GRANT,
                    "FHIR_SERVER_AUTH_PRIVATE_KEY_FILE or FHIR_SERVER_CLIENT_SECRET",
                    ": client credentials need proof of who the client is",
                ));
            }
            (None, None) => Authentication::Public,
            (Some(secret), None) => Authentication::Secret(secret),
            (None, Some(key)) => Authentication::PrivateKeyJwt(Arc::new(key)),
            (Some(_), Some(_)) => {
                return Err(UpstreamError::Clash(
                    "FHIR_SERVER_CLIENT_SECRET",
                    env::AUTH_PRIVATE_KEY_FILE,
                    "; a client proves itself in one way",
                ));
            }
        };
        let scope = self.get(env::SERVER_SCOPES).ok_or(missing(
            env::SERVER_CLIENT_ID,
            "FHIR_SERVER_SCOPES, for instance `openid fhirUser offline_access user/*.rs` or for client credentials `system/*.rs`",
            "",
        ))?;
        let client = OAuthClient {
            id: self
                .get(env::SERVER_CLIENT_ID)
                .unwrap_or_default()
                .to_owned(),
            authentication,
            scope: scope.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        Ok(match by_itself {
            true => Method::ClientCredentials(client),
            false => Method::AuthorizationCode(client),
        })
    }

    fn key(&self) -> Result<Option<SigningKey>> {
        let Some(pem) = self.file(env::AUTH_PRIVATE_KEY_FILE)? else {
            return match self.get(env::AUTH_KEY_ID) {
                Some(_) => Err(missing(env::AUTH_KEY_ID, env::AUTH_PRIVATE_KEY_FILE, "")),
                None => Ok(None),
            };
        };
        let id = self.get(env::AUTH_KEY_ID).ok_or(missing(
            env::AUTH_PRIVATE_KEY_FILE,
            env::AUTH_KEY_ID,
            ": the authorization server finds the public key by it",
        ))?;
        let key = SigningKey::from_pem(&Secret::new(pem), id).map_err(UpstreamError::Key)?;
        Ok(Some(key))
    }

    fn headers(&self, method: &Method) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let wrong = || UpstreamError::Value {
            name: env::AUTH_HEADERS,
            expected: r#"a JSON object of header names and values, for instance {"x-api-key": "…"}"#,
        };
        let Some(text) = self.get(env::AUTH_HEADERS) else {
            return Ok(Vec::new());
        };
        let map: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_error| wrong())?;
        let mut headers = Vec::new();
        for (name, value) in map {
            let name: HeaderName = name.parse().map_err(|_error| wrong())?;
            let value = value.as_str().ok_or_else(wrong)?;
            let mut value = HeaderValue::from_str(value).map_err(|_error| wrong())?;
            value.set_sensitive(true);
            if name == AUTHORIZATION && !matches!(method, Method::None) {
                return Err(UpstreamError::Clash(
                    "the Authorization of FHIR_SERVER_AUTH_HEADERS",
                    "the other credential",
                    "; a request has one",
                ));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }

    fn redirect_uri(&self) -> Result<Option<Url>> {
        let Some(value) = self.get(env::AUTH_REDIRECT_URI) else {
            return Ok(None);
        };
        let url = Url::parse(value).ok().filter(|url| {
            let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
            let plain = url.query().is_none() && url.fragment().is_none();
            url.scheme() == "http" && local && url.port().is_some() && plain
        });
        url.map(Some).ok_or(UpstreamError::Value {
            name: env::AUTH_REDIRECT_URI,
            expected: "an http URL of this machine with a port, as it is registered, for instance http://127.0.0.1:8765/callback",
        })
    }

    fn tls(&self) -> Result<Tls> {
        let certificate = self.file(env::AUTH_CLIENT_CERT_FILE)?;
        let key = self.file(env::AUTH_CLIENT_KEY_FILE)?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Secret::new(format!("{certificate}\n{key}"))),
            (Some(_), None) => {
                return Err(missing(
                    env::AUTH_CLIENT_CERT_FILE,
                    env::AUTH_CLIENT_KEY_FILE,
                    "",
                ));
            }
            (None, Some(_)) => {
                return Err(missing(
                    env::AUTH_CLIENT_KEY_FILE,
                    env::AUTH_CLIENT_CERT_FILE,
                    "",
                ));
            }
            (None, None) => None,
        };
        Ok(Tls {
            roots: self.file(env::AUTH_CA_FILE)?,
            identity,
        })
    }

    fn allow_http(&self) -> Result<bool> {
        let Some(value) = self.get(env::AUTH_ALLOW_HTTP) else {
            return Ok(false);
        };
        truth(value).ok_or(UpstreamError::Value {
            name: env::AUTH_ALLOW_HTTP,
            expected: "true or false",
        })
    }

    /// A secret that is set itself or by a file.
    fn secret(&self, direct: &'static str, file: &'static str) -> Result<Option<Secret>> {
        match (self.get(direct), self.file(file)?) {
            (Some(_), Some(_)) => Err(UpstreamError::Clash(direct, file, "; one holds the secret")),
            (Some(value), None) => Ok(Some(Secret::new(value))),
            (None, Some(text)) => Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n'])))),
            (None, None) => Ok(None),
        }
    }

    fn file(&self, name: &'static str) -> Result<Option<String>> {
        let Some(path) = self.get(name) else {
            return Ok(None);
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(UpstreamError::File {
                name,
                reason: error.to_string(),
            }),
        }
    }
}

fn missing(given: &'static str, missing: &'static str, why: &'static str) -> UpstreamError {
    UpstreamError::Missing {
        given,
        missing,
        why,
    }
}
