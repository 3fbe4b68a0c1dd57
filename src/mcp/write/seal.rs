//! The seal on a question to the user.
//!
//! A server that keeps nothing between requests gives the client what it must
//! not forget, and what comes back may be anything. The seal (HMAC-SHA256)
//! binds it to the user, to the tool and its arguments, and to an end of its
//! time; inside are a digest of what the user was shown, and a number that
//! this process takes once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rmcp::model::{JsonObject, RequestStateCodec, SealOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Plan, WriteError, WriteOptions};

/// Confirmations of which it is remembered that they were used. Beyond, none is
/// taken until the first of these have expired.
const MAX_SPENT: usize = 10_000;

/// SHA-256.
pub(crate) type Fingerprint = [u8; 32];

/// Seals questions and opens what comes back.
#[derive(Debug)]
pub(crate) struct Seal {
    codec: RequestStateCodec,
    within: Duration,
    /// Numbers that were used, and when they may be forgotten.
    spent: Mutex<HashMap<Uuid, Instant>>,
}

/// What a seal holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    number: Uuid,
    /// What the user was shown, and would happen.
    pub(super) plan: Fingerprint,
}

impl Seal {
    /// With a key that other instances have, too, or one of its own.
    pub(crate) fn new(options: &WriteOptions) -> Self {
        let key = match &options.seal_key {
            Some(key) => key.expose().as_bytes().to_vec(),
            None => {
                let random = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
                random.iter().flat_map(|part| *part.as_bytes()).collect()
            }
        };
        Self {
            codec: RequestStateCodec::new_unchecked(key),
            within: options.confirm_within(),
            spent: Mutex::default(),
        }
    }

    /// What seals other things with the same key, each with associated data that
    /// is no [`Fingerprint`] alone.
    pub(crate) fn codec(&self) -> &RequestStateCodec {
        &self.codec
    }

    /// Seals the question that a plan asks.
    pub(super) fn seal(&self, call: &Fingerprint, plan: &Fingerprint) -> String {
        let payload = [Uuid::new_v4().as_bytes().as_slice(), plan].concat();
        let options = SealOptions::new().associated_data(call).ttl(self.within);
        self.codec.seal_with(&payload, &options)
    }

    /// Opens what came back with a call.
    ///
    /// # Errors
    /// [`WriteError::BadConfirmation`] when it is none of ours, was made for
    /// another call or user, or has expired.
    pub(super) fn open(&self, state: &str, call: &Fingerprint) -> Result<Sealed, WriteError> {
        let payload = self
            .codec
            .open_with(state, call)
            .map_err(|_error| WriteError::BadConfirmation)?;
        let parts = payload.split_at_checked(16);
        let (number, plan) = parts.ok_or(WriteError::BadConfirmation)?;
        match (Uuid::from_slice(number), plan.try_into()) {
            (Ok(number), Ok(plan)) => Ok(Sealed { number, plan }),
            _ => Err(WriteError::BadConfirmation),
        }
    }

    /// Uses a confirmation up.
    ///
    /// # Errors
    /// [`WriteError::Spent`] when it was used before, [`WriteError::TooMany`] when
    /// so many were that it could not be remembered.
    pub(super) fn spend(&self, sealed: Sealed) -> Result<(), WriteError> {
        let now = Instant::now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MAX_SPENT {
            spent.retain(|_, until| *until > now);
        }
        if spent.contains_key(&sealed.number) {
            return Err(WriteError::Spent);
        }
        if spent.len() >= MAX_SPENT {
            return Err(WriteError::TooMany);
        }
        // A second more than the seal itself counts.
        let until = now + self.within + Duration::from_secs(1);
        spent.insert(sealed.number, until);
        Ok(())
    }
}

/// Tells the call of a user from every other: by user, tool and arguments.
pub(crate) fn of_call(principal: &str, tool: &str, arguments: &JsonObject) -> Fingerprint {
    let mut digest = Sha256::new();
    digest.update(Sha256::digest(principal));
    digest.update(Sha256::digest(tool));
    of_members(arguments, &mut digest);
    digest.finalize().into()
}

/// Tells what a plan does, and says of it, from everything else.
pub(super) fn of_plan(plan: &Plan) -> Fingerprint {
    let mut digest = Sha256::new();
    // Holds every field, also those that interactions will get one day.
    digest.update(Sha256::digest(format!("{:?}", plan.interaction)));
    digest.update(Sha256::digest(plan.question.text()));
    digest.finalize().into()
}

/// The order of members means nothing in JSON, and clients may change it.
fn of_value(value: &Value, digest: &mut Sha256) {
    match value {
        Value::Object(members) => of_members(members, digest),
        Value::Array(items) => {
            digest.update("[");
            for item in items {
                of_value(item, digest);
                digest.update(",");
            }
            digest.update("]");
        }
        scalar => digest.update(scalar.to_string()),
    }
}

fn of_members(members: &JsonObject, digest: &mut Sha256) {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    digest.update("{");
    for (name, value) in members {
        digest.update(Value::from(name.as_str()).to_string());
        digest.update(":");
        of_value(value, digest);
        digest.update(",");
    }
    digest.update("}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::Secret;

    fn call(principal: &str, tool: &str, arguments: Value) -> Fingerprint {
        of_call(principal, tool, arguments.as_object().unwrap())
    }

    #[test]
    fn a_seal_opens_for_its_call_alone_and_is_used_once() {
        let seal = Seal::new(&WriteOptions::default());
        let own = call(
            "u",
            "create",
            json!({"a": 1, "b": [2, {"c": "d", "e": null}]}),
        );
        let reordered = json!({"b": [2, {"e": null, "c": "d"}], "a": 1});
        assert_eq!(own, call("u", "create", reordered));
        let state = seal.seal(&own, &[7; 32]);
        for other in [
            call(
                "v",
                "create",
                json!({"a": 1, "b": [2, {"c": "d", "e": null}]}),
            ),
            call(
                "u",
                "update",
                json!({"a": 1, "b": [2, {"c": "d", "e": null}]}),
            ),
            call("u", "create", json!({"a": 1, "b": [2, {"c": "d"}]})),
            call(
                "u",
                "create",
                json!({"a": "1", "b": [2, {"c": "d", "e": null}]}),
            ),
            call(
                "u",
                "create",
                json!({"a": 1, "b": [{"c": "d", "e": null}, 2]}),
            ),
        ] {
            assert!(seal.open(&state, &other).is_err());
        }
        assert!(
            Seal::new(&WriteOptions::default())
                .open(&state, &own)
                .is_err()
        );
        let sealed = seal.open(&state, &own).unwrap();
        assert_eq!(sealed.plan, [7; 32]);
        assert!(seal.spend(sealed).is_ok());
        assert!(matches!(seal.spend(sealed), Err(WriteError::Spent)));
    }

    #[test]
    fn instances_with_one_key_open_what_the_other_sealed() {
        let options = WriteOptions {
            seal_key: Some(Secret::new("0123456789abcdef0123456789abcdef")),
            ..WriteOptions::default()
        };
        let own = call("u", "create", json!({}));
        let state = Seal::new(&options).seal(&own, &[7; 32]);
        assert!(Seal::new(&options).open(&state, &own).is_ok());
    }

    #[test]
    fn what_cannot_be_remembered_is_not_taken() {
        let seal = Seal::new(&WriteOptions::default());
        let sealed = || Sealed {
            number: Uuid::new_v4(),
            plan: [0; 32],
        };
        for _ in 0..MAX_SPENT {
            assert!(seal.spend(sealed()).is_ok());
        }
        assert!(matches!(seal.spend(sealed()), Err(WriteError::TooMany)));
    }
}
