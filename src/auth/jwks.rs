//! Signed tokens of others: their keys
//! ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), fetched, kept, and
//! fetched again when a key is new.

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, TokenData, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};
use url::Url;

use super::{error::AuthError, http::AuthHttp};

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
/// See [`MAX_FORCED`].
const WINDOW: Duration = Duration::from_secs(60);
/// What is asked for, in messages.
const WHAT: &str = "the request for its keys";

/// The keys of an issuer.
#[derive(Debug)]
pub struct Jwks {
    http: AuthHttp,
    uri: Url,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    keys: Option<Arc<JwkSet>>,
    until: Option<Instant>,
    window: Option<Instant>,
    forced: u32,
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
    pub fn new(http: AuthHttp, uri: Url) -> Self {
        Self {
            http,
            uri,
            cached: Mutex::default(),
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

    /// The keys that may have signed; fetched once more when there is none.
    async fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, JwtError> {
        let mut cached = self.cached.lock().await;
        let known = cached.keys.clone();
        let fresh = cached.until.is_some_and(|until| Instant::now() < until);
        if let Some(keys) = known.filter(|_| fresh) {
            let found = select(&keys, kid, algorithm);
            if !found.is_empty() || !cached.may_force() {
                return Ok(found);
            }
        }
        let keys = self.fetch(&mut cached).await?;
        Ok(select(&keys, kid, algorithm))
    }

    async fn fetch(&self, cached: &mut Cached) -> Result<Arc<JwkSet>, AuthError> {
        let document = self.http.get(&self.uri, WHAT).await?;
        let unusable = |_error| AuthError::Unusable {
            what: WHAT,
            host: crate::client::service_base::host_and_port(&self.uri),
            reason: "it is no JSON Web Key Set".to_owned(),
        };
        let keys = serde_json::from_slice::<Lenient>(&document.body).map_err(unusable)?;
        let keys = Arc::new(keys.into_set());
        cached.keys = Some(Arc::clone(&keys));
        cached.until = Some(Instant::now() + document.max_age);
        Ok(keys)
    }
}

impl Cached {
    fn may_force(&mut self) -> bool {
        let now = Instant::now();
        if self.window.is_none_or(|start| now - start > WINDOW) {
            self.window = Some(now);
            self.forced = 0;
        }
        self.forced += 1;
        self.forced <= MAX_FORCED
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
