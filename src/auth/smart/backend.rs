//! Proof by a private key
//! ([SMART App Launch 2.2, asymmetric](https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html)).

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::token::now;
use crate::{auth::error::AuthError, client::Secret};

/// Seconds that an assertion holds; the specification allows 300.
const LIFETIME: u64 = 240;

/// A private key with its id.
pub struct SigningKey {
    key: EncodingKey,
    algorithm: Algorithm,
    id: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
}

impl SigningKey {
    /// Reads a PEM: RSA for RS384, EC on curve P-384 for ES384. `id` is the
    /// `kid` under which the public key is registered.
    ///
    /// # Errors
    /// [`AuthError::Key`] when it is none of them.
    pub fn from_pem(pem: &Secret, id: &str) -> Result<Self, AuthError> {
        let bytes = pem.expose().as_bytes();
        let keys = [
            (EncodingKey::from_rsa_pem(bytes), Algorithm::RS384),
            (EncodingKey::from_ec_pem(bytes), Algorithm::ES384),
        ];
        for (key, algorithm) in keys {
            let Ok(key) = key else { continue };
            let signer = Self {
                key,
                algorithm,
                id: id.to_owned(),
            };
            // A key on another curve shows only when it signs.
            if signer.sign("test", "test").is_ok() {
                return Ok(signer);
            }
        }
        Err(AuthError::Key(
            "the private key is neither RSA nor EC on curve P-384 in PEM; `openssl pkcs8 -topk8 -nocrypt -in key.pem` converts other forms"
                .to_owned(),
        ))
    }

    /// `RS384` or `ES384`.
    pub fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::ES384 => "ES384",
            _ => "RS384",
        }
    }

    /// A new assertion for one request to this endpoint.
    ///
    /// # Errors
    /// [`AuthError::Key`].
    pub fn assertion(&self, client_id: &str, endpoint: &Url) -> Result<Secret, AuthError> {
        self.sign(client_id, endpoint.as_str())
            .map_err(|_error| AuthError::Key("the private key cannot sign".to_owned()))
    }

    fn sign(&self, client_id: &str, audience: &str) -> jsonwebtoken::errors::Result<Secret> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some("JWT".to_owned());
        header.kid = Some(self.id.clone());
        let issued = now();
        let claims = Claims {
            iss: client_id,
            sub: client_id,
            aud: audience,
            iat: issued,
            exp: issued + LIFETIME,
            jti: Uuid::new_v4().to_string(),
        };
        encode(&header, &claims, &self.key).map(Secret::from)
    }
}
