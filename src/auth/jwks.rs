//! Signed tokens of others: their keys
//! ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), fetched, kept, and
//! fetched again when a key is new.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, TokenData, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    clock::Clock,
    error::AuthError,
    http::AuthHttp,
    kept::{Kept, Seen},
};

/// Algorithms that a signature may have. None with a shared secret: whoever
/// holds the public keys could sign with one.
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Fetches that unknown keys can cause within [`WINDOW`], so that made-up key
/// ids do not become a load for the other server.
const MAX_FORCED: u32 = 5;
/// See [`MAX_FORCED`]; in seconds.
const WINDOW: u64 = 60;
/// What is asked for, in messages.
const WHAT: &str = "the request for its keys";

/// The keys of an issuer.
#[derive(Debug)]
pub struct Jwks {
    http: AuthHttp,
    uri: Url,
    clock: Clock,
    kept: Kept<JwkSet>,
    forced: Mutex<Forced>,
}

/// Fetches that unknown keys have caused.
#[derive(Debug, Default)]
struct Forced {
    /// When the window began, in seconds since 1970.
    since: u64,
    count: u32,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The keys are not to be had.
    #[error(transparent)]
    Keys(#[from] AuthError),
    /// It is no signed token, or is signed in a way that is not accepted.
    #[error("it is not signed with an accepted algorithm")]
    Algorithm,
    /// No key of the issuer fits.
    #[error("it is signed with a key that its issuer does not have")]
    UnknownKey,
    /// Signature or claims are wrong.
    #[error("{}", claim(.0))]
    Invalid(#[from] jsonwebtoken::errors::Error),
}

impl Jwks {
    /// Fetches nothing yet. The caller has checked the URL.
    pub fn new(http: AuthHttp, uri: Url, clock: Clock) -> Self {
        Self {
            http,
            uri,
            kept: Kept::new(clock.clone()),
            clock,
            forced: Mutex::default(),
        }
    }

    /// Where the keys are.
    pub fn uri(&self) -> &Url {
        &self.uri
    }

    /// The token's claims, if a key of the issuer signed it and `validation`
    /// holds. Its list of algorithms does not count: those of [`ALGORITHMS`]
    /// are accepted, each with keys made for it alone.
    ///
    /// # Errors
    /// [`JwtError`].
    pub async fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<TokenData<T>, JwtError> {
        let header = decode_header(token).map_err(|_error| JwtError::Algorithm)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(JwtError::Algorithm);
        }
        let mut validation = validation.clone();
        validation.algorithms = vec![header.alg];
        let kid = header.kid.as_deref();
        let keys = self.fitting(kid, header.alg).await?;
        let mut failure = JwtError::UnknownKey;
        for key in keys {
            match decode::<T>(token, &key, &validation) {
                Ok(data) => return Ok(data),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    /// The keys that may have signed; fetched once more when there is none. Old
    /// ones go on where new ones cannot be had.
    async fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, JwtError> {
        let found = |seen: &Seen<JwkSet>| {
            let keys = seen.value.as_ref();
            keys.map_or_else(Vec::new, |keys| select(keys, kid, algorithm))
        };
        let before = self.kept.look();
        let mut seen = self.kept.current(self.fetch()).await;
        let mut fitting = found(&seen);
        if fitting.is_empty()
            && seen.failure.is_none()
            && seen.fetches == before.fetches
            && self.may_force()
        {
            seen = self.kept.renewed(&seen, true, self.fetch()).await;
            fitting = found(&seen);
        }
        match seen.failure {
            Some(failure) if fitting.is_empty() => Err(failure.into()),
            _ => Ok(fitting),
        }
    }

    async fn fetch(&self) -> Result<(JwkSet, Duration), AuthError> {
        let document = self.http.get(&self.uri, WHAT).await?;
        let unusable = |_error| AuthError::Unusable {
            what: WHAT,
            host: crate::client::service_base::host_and_port(&self.uri),
            reason: "it is no JSON Web Key Set".to_owned(),
        };
        let keys = serde_json::from_slice::<Lenient>(&document.body).map_err(unusable)?;
        Ok((keys.into_set(), document.max_age))
    }

    fn may_force(&self) -> bool {
        let now = self.clock.now();
        let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(forced.since) > WINDOW {
            *forced = Forced {
                since: now,
                count: 0,
            };
        }
        forced.count += 1;
        forced.count <= MAX_FORCED
    }
}

/// A key set in which a key that cannot be read does not spoil the others.
#[derive(serde::Deserialize)]
struct Lenient {
    keys: Vec<serde_json::Value>,
}

impl Lenient {
    fn into_set(self) -> JwkSet {
        let keys = self.keys.into_iter();
        JwkSet {
            keys: keys
                .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
                .collect(),
        }
    }
}

fn select(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let fits = |key: &&Jwk| {
        let named = kid.is_none() || key.common.key_id.as_deref() == kid;
        let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        named && signs && is_of_family(key, algorithm) && allows(key, algorithm)
    };
    keys.keys
        .iter()
        .filter(fits)
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .collect()
}

fn is_of_family(key: &Jwk, algorithm: Algorithm) -> bool {
    match key.algorithm {
        AlgorithmParameters::RSA(_) => algorithm.family() == AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(_) => algorithm.family() == AlgorithmFamily::Ec,
        _ => false,
    }
}

/// Whether a key that is for one algorithm is for this one.
fn allows(key: &Jwk, algorithm: Algorithm) -> bool {
    let name = |algorithm: KeyAlgorithm| algorithm.to_string();
    key.common
        .key_algorithm
        .is_none_or(|own| name(own) == format!("{algorithm:?}"))
}

fn claim(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet".to_owned(),
        ErrorKind::InvalidIssuer => "it is of another issuer".to_owned(),
        ErrorKind::InvalidAudience => "it is for another audience".to_owned(),
        ErrorKind::InvalidSignature => "its signature is wrong".to_owned(),
        ErrorKind::MissingRequiredClaim(name) => format!("it has no {name}"),
        _ => "it is no token that can be read".to_owned(),
    }
}
