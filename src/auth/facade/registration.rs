//! Dynamic registration ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591))
//! that keeps nothing: the `client_id` is the registration itself, sealed.
//! Anyone may register, and no number of registrations fills a memory.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Client, Facade, OAuthError,
    client::{redirect_uri, visible_name},
};
use crate::auth::seal::hash;

/// What our client ids begin with; that of the Python server.
const PREFIX: &str = "fhir_mcp_";
const CLIENT: &str = "client";
const SECRET: &str = "client secret";
/// Redirect URIs of a client.
const MAX_REDIRECT_URIS: usize = 10;
/// Length of one.
const MAX_REDIRECT_URI: usize = 512;

/// Client metadata, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// What a client id holds.
#[derive(Serialize, Deserialize)]
struct Registration {
    #[serde(rename = "n")]
    name: Option<String>,
    #[serde(rename = "r")]
    redirect_uris: Vec<String>,
    #[serde(rename = "s")]
    confidential: bool,
}

impl Facade {
    /// Registers a client. The answer goes with the status 201.
    ///
    /// # Errors
    /// `invalid_redirect_uri`, `invalid_client_metadata`.
    pub fn register(&self, body: &[u8]) -> Result<Value, OAuthError> {
        let metadata: Metadata = serde_json::from_slice(body).map_err(|_error| {
            invalid("Send client metadata as a JSON object with redirect_uris, a list of strings.")
        })?;
        check_redirect_uris(&metadata.redirect_uris)?;
        offers(&metadata.grant_types, "authorization_code", "grant_types")?;
        offers(&metadata.response_types, "code", "response_types")?;
        let method = metadata
            .token_endpoint_auth_method
            .unwrap_or_else(|| "client_secret_basic".to_owned());
        let confidential = match method.as_str() {
            "none" => false,
            "client_secret_basic" | "client_secret_post" => true,
            _ => {
                return Err(invalid(
                    "token_endpoint_auth_method is one of none, client_secret_post, client_secret_basic.",
                ));
            }
        };
        let registration = Registration {
            name: metadata.client_name.as_deref().and_then(visible_name),
            redirect_uris: metadata.redirect_uris,
            confidential,
        };
        self.answer(&registration, &method)
    }

    fn answer(&self, registration: &Registration, method: &str) -> Result<Value, OAuthError> {
        let key = &self.options.key;
        let plain = serde_json::to_vec(registration)
            .map_err(|_error| invalid("The metadata cannot be kept."))?;
        let id = format!("{PREFIX}{}", key.seal_text(CLIENT, &plain)?);
        let mut answer = Map::new();
        if registration.confidential {
            let secret = key.seal_text(SECRET, hash(&id).as_bytes())?;
            answer.insert("client_secret".into(), secret.into());
            answer.insert("client_secret_expires_at".into(), 0.into());
        }
        answer.insert("client_id".into(), id.into());
        answer.insert("client_id_issued_at".into(), self.now().into());
        if let Some(name) = &registration.name {
            answer.insert("client_name".into(), name.as_str().into());
        }
        answer.insert("redirect_uris".into(), json!(registration.redirect_uris));
        answer.insert("token_endpoint_auth_method".into(), method.into());
        answer.insert(
            "grant_types".into(),
            json!(["authorization_code", "refresh_token"]),
        );
        answer.insert("response_types".into(), json!(["code"]));
        answer.insert(
            "scope".into(),
            self.resource().supported().to_string().into(),
        );
        Ok(Value::Object(answer))
    }

    /// The client of an id that [`register`](Self::register) gave out.
    pub(super) fn registered(&self, id: &str) -> Option<Client> {
        let sealed = id.strip_prefix(PREFIX)?;
        let plain = self.options.key.open_text(CLIENT, sealed)?;
        let registration: Registration = serde_json::from_slice(&plain).ok()?;
        Some(Client {
            id: id.to_owned(),
            name: registration.name,
            redirect_uris: registration.redirect_uris,
            confidential: registration.confidential,
            document_host: None,
        })
    }

    /// The hash of the client id that a secret was made for.
    pub(super) fn secret_owner(&self, secret: &str) -> Option<String> {
        String::from_utf8(self.options.key.open_text(SECRET, secret)?).ok()
    }
}

/// # Errors
/// `invalid_redirect_uri`.
pub(super) fn check_redirect_uris(uris: &[String]) -> Result<(), OAuthError> {
    let fits = |uri: &String| uri.len() <= MAX_REDIRECT_URI && redirect_uri(uri).is_some();
    if (1..=MAX_REDIRECT_URIS).contains(&uris.len()) && uris.iter().all(fits) {
        return Ok(());
    }
    Err(OAuthError::new(
        "invalid_redirect_uri",
        format!(
            "redirect_uris are 1 to {MAX_REDIRECT_URIS} URIs of at most {MAX_REDIRECT_URI} characters, each https, or http on localhost, 127.0.0.1 or [::1], without fragment and user name."
        ),
    ))
}

fn offers(
    values: &Option<Vec<String>>,
    needed: &str,
    name: &'static str,
) -> Result<(), OAuthError> {
    match values {
        Some(values) if !values.iter().any(|value| value == needed) => {
            Err(invalid(format!("{name} must hold {needed}.")))
        }
        _ => Ok(()),
    }
}

fn invalid(description: impl Into<String>) -> OAuthError {
    OAuthError::new("invalid_client_metadata", description)
}
