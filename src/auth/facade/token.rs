//! The token endpoint: a code or a refresh token comes in, tokens go out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Client, Facade, OAuthError,
    authorize::Request,
    parameters::Parameters,
    store::{Key, Kind},
};
use crate::auth::{scope::Scopes, seal::equal, smart::TokenSet};

/// What a code stands for.
#[derive(Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) request: Request,
    pub(super) tokens: TokenSet,
}

impl Facade {
    /// `POST /token`; `authorization` is the header, `form` the body.
    ///
    /// # Errors
    /// Those of RFC 6749, section 5.2.
    pub async fn token(
        &self,
        authorization: Option<&str>,
        form: &str,
    ) -> Result<Value, OAuthError> {
        let form = Parameters::parse(form)?;
        let grant_type = form.need("grant_type")?;
        let client = self.authenticated(authorization, &form).await?;
        if !form.all("resource").all(|uri| self.resource().is_ours(uri)) {
            return Err(OAuthError::new(
                "invalid_target",
                format!("resource is {}/mcp.", self.issuer()),
            ));
        }
        match grant_type {
            "authorization_code" => self.redeem(&client, &form).await,
            "refresh_token" => self.refresh(&client, &form).await,
            _ => Err(OAuthError::new(
                "unsupported_grant_type",
                "grant_type is authorization_code or refresh_token.",
            )),
        }
    }

    /// `POST /revoke`: ends the session of a token; RFC 7009. Whether there was
    /// one is not told.
    ///
    /// # Errors
    /// Those of RFC 7009, section 2.2.1.
    pub async fn revoke(&self, authorization: Option<&str>, form: &str) -> Result<(), OAuthError> {
        let form = Parameters::parse(form)?;
        let client = self.authenticated(authorization, &form).await?;
        Ok(self.end_session_of(&client, form.need("token")?).await?)
    }

    async fn redeem(&self, client: &Client, form: &Parameters) -> Result<Value, OAuthError> {
        let text = form.need("code")?;
        let spent = Key::new(Kind::SpentCode, text);
        let code: Option<Code> = self.vault.take(Key::new(Kind::Code, text)).await?;
        let Some(code) = code else {
            // Somebody has it twice: what it gave out is worth nothing any more.
            if let Some(session) = self.vault.take::<String>(spent).await? {
                tracing::warn!("an authorization code came twice: its session is revoked");
                self.end_session(&session).await?;
            }
            return Err(invalid("The code is unknown, used or expired."));
        };
        let request = &code.request;
        if request.client_id != client.id {
            return Err(invalid("The code was given to another client."));
        }
        if form.get("redirect_uri") != Some(request.redirect_uri.as_str()) {
            return Err(invalid(
                "redirect_uri is the one of the authorization request.",
            ));
        }
        if !matches_challenge(form.need("code_verifier")?, &request.challenge) {
            return Err(invalid("code_verifier does not fit the code_challenge."));
        }
        let scopes = Scopes::parse(&request.scope);
        let (session, answer) = self.begin_session(client, scopes, code.tokens).await?;
        let lifetime = self.lifetimes().code * 10;
        self.vault.put(spent, &session, lifetime).await?;
        Ok(answer)
    }

    async fn refresh(&self, client: &Client, form: &Parameters) -> Result<Value, OAuthError> {
        let narrower = form.get("scope").map(Scopes::parse);
        let refreshed = self
            .refresh_session(client, form.need("refresh_token")?, narrower)
            .await?;
        refreshed.ok_or_else(|| {
            invalid("The refresh token is unknown, used or expired. Authorize again.")
        })
    }
}

fn invalid(description: &str) -> OAuthError {
    OAuthError::new("invalid_grant", description)
}

/// PKCE with S256; RFC 7636, section 4.6.
fn matches_challenge(verifier: &str, challenge: &str) -> bool {
    let well_formed = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    well_formed && equal(&hash, challenge)
}

#[cfg(test)]
mod tests {
    use super::matches_challenge;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn pkce_of_the_specification() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(matches_challenge(verifier, challenge));
        assert!(!matches_challenge(challenge, challenge));
        assert!(!matches_challenge("short", challenge));
    }
}
