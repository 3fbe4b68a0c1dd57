//! Who signed in: id tokens
//! ([OpenID Connect Core §3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation))
//! and their `fhirUser`
//! ([SMART App Launch 2.2](https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data)).

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use url::Url;

use super::client::SmartClient;
use crate::auth::{endpoint, error::AuthError, jwks::JwtError};

/// What is asked for, in messages.
const WHAT: &str = "the request for its OpenID configuration";

#[derive(Deserialize)]
struct Claims {
    /// A text or a list of them.
    aud: serde_json::Value,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    sub: String,
    /// Nothing stands in for it: OpenID Connect has users edit `profile`
    /// themselves.
    #[serde(default, rename = "fhirUser")]
    fhir_user: Option<String>,
}

/// Who signed in.
pub(super) struct User {
    /// Issuer and subject, with a blank between.
    pub(super) subject: String,
    /// `fhirUser`, if it names one.
    pub(super) reference: Option<String>,
}

#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

impl SmartClient {
    /// The user of an id token that holds in every respect; `None` when the
    /// server does not say how its id tokens are verified.
    pub(super) async fn user(
        &self,
        id_token: &str,
        nonce: &str,
    ) -> Result<Option<User>, AuthError> {
        let configuration = self.configuration().await?;
        let Some(issuer) = configuration.issuer.as_deref() else {
            tracing::warn!("the FHIR server names no issuer: its id token is not used");
            return Ok(None);
        };
        let keys = match &configuration.jwks_uri {
            Some(uri) => uri.clone()?,
            None => self.openid_keys(issuer).await?,
        };
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[self.client_id()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        let keys = self.keys(&keys).await;
        let claims = match keys.verify::<Claims>(id_token, &validation).await {
            Ok(data) => data.claims,
            Err(JwtError::Keys(error)) => return Err(error),
            Err(error) => return Err(AuthError::IdToken(error.to_string())),
        };
        self.check(&claims, nonce)?;
        let user = claims.fhir_user.as_deref();
        Ok(Some(User {
            subject: format!("{issuer} {}", claims.sub),
            reference: user.and_then(|user| reference(user, self.base())),
        }))
    }

    fn check(&self, claims: &Claims, nonce: &str) -> Result<(), AuthError> {
        let wrong = |reason: &str| Err(AuthError::IdToken(reason.to_owned()));
        let several = claims.aud.as_array().is_some_and(|list| list.len() > 1);
        match &claims.azp {
            Some(party) if party != self.client_id() => return wrong("it is for another client"),
            None if several => return wrong("it does not say which of its audiences asked"),
            _ => {}
        }
        // Some servers leave it out; PKCE keeps the code from being another's.
        match &claims.nonce {
            Some(given) if given != nonce => wrong("its nonce is another"),
            _ => Ok(()),
        }
    }

    async fn openid_keys(&self, issuer: &str) -> Result<Url, AuthError> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let unusable = |reason: &str| AuthError::IdToken(reason.to_owned());
        let url = Url::parse(&url).map_err(|_error| unusable("its issuer is no URL"))?;
        endpoint::check("issuer", &url, self.base())?;
        let document = self.http().get(&url, WHAT).await?;
        let found: OpenIdConfiguration = serde_json::from_slice(&document.body)
            .map_err(|_error| unusable("its issuer has no OpenID configuration"))?;
        if found.issuer != issuer {
            return Err(unusable("the OpenID configuration is of another issuer"));
        }
        let keys =
            Url::parse(&found.jwks_uri).map_err(|_error| unusable("its jwks_uri is no URL"))?;
        endpoint::check("jwks_uri", &keys, self.base())?;
        Ok(keys)
    }
}

/// `fhirUser` relative to the base, or absolute where it lies elsewhere;
/// `None` for what is no reference to a person.
fn reference(user: &str, base: &Url) -> Option<String> {
    let prefix = format!("{}/", base.as_str().trim_end_matches('/'));
    let relative = user.strip_prefix(&prefix).unwrap_or(user);
    if relative.contains("://") {
        return Url::parse(relative).ok().map(String::from);
    }
    let (resource_type, id) = relative.split_once('/')?;
    let person = matches!(
        resource_type,
        "Patient" | "Practitioner" | "PractitionerRole" | "RelatedPerson" | "Person"
    );
    (person && !id.is_empty() && !id.contains('/')).then(|| relative.to_owned())
}
