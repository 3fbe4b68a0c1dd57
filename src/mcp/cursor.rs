//! Cursors: where the next answer goes on. They hold everything that is needed
//! for that, so the server keeps no state between calls. They are sealed
//! (HMAC-SHA256) for the caller, the tool and the resource type: what they lead
//! to was asked for by this server, within the session of that caller, and
//! nobody can make one up.

use rmcp::model::{JsonObject, RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{FhirServer, failure::ToolError, write};
use crate::client::{Interaction, interaction::Parameter};

/// Tells cursors from whatever else the same key seals.
const PURPOSE: &[u8] = b"cursor";

/// Seals the cursors of a tool for a caller, and opens them.
#[derive(Debug)]
pub(crate) struct Cursors<'a> {
    codec: &'a RequestStateCodec,
    bound_to: Vec<u8>,
}

impl<'a> Cursors<'a> {
    /// Those of a tool for whoever calls the server, about a resource type.
    pub(crate) fn new(server: &'a FhirServer, tool: &str, resource_type: &str) -> Self {
        let principal = server.principal.as_deref().unwrap_or_default();
        let mut arguments = JsonObject::new();
        arguments.insert("type".to_owned(), resource_type.into());
        let call = write::seal::of_call(principal, tool, &arguments);
        Self {
            codec: server.shared.seal.codec(),
            bound_to: [PURPOSE, call.as_slice()].concat(),
        }
    }

    /// The cursor of a position.
    pub(crate) fn seal<T: Serialize>(&self, position: &T) -> String {
        let json = serde_json::to_vec(position).unwrap_or_default();
        let options = SealOptions::new().associated_data(&self.bound_to);
        self.codec.seal_with(&json, &options)
    }

    /// The position of a cursor.
    ///
    /// # Errors
    /// [`ToolError::BadCursor`] when it is none of ours, was changed, or was made
    /// for another caller, tool or type.
    pub(crate) fn open<T: DeserializeOwned>(&self, cursor: &str) -> Result<T, ToolError> {
        let json = self
            .codec
            .open_with(cursor.trim(), &self.bound_to)
            .map_err(|_error| ToolError::BadCursor)?;
        serde_json::from_slice(&json).map_err(|_error| ToolError::BadCursor)
    }
}

/// What a list was asked for with, as a few bits of each argument: enough to
/// notice that a cursor comes with other ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked([u32; 3]);

impl Asked {
    /// Of the arguments as they were given; empty where there are none.
    pub(crate) fn new(id: &str, operation: &str, parameters: &[Parameter]) -> Self {
        let mut sorted: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}\n{value}"))
            .collect();
        sorted.sort();
        Self([digest(id), digest(operation), digest(&sorted.join("\n\n"))])
    }

    /// Whether a call that goes on says nothing else. What it leaves out counts
    /// as the same.
    ///
    /// # Errors
    /// [`ToolError::Argument`].
    pub(crate) fn check(self, given: Self) -> Result<(), ToolError> {
        let mut pairs = self.0.into_iter().zip(given.0);
        if pairs.all(|(before, now)| now == 0 || now == before) {
            return Ok(());
        }
        Err(ToolError::Argument {
            argument: Some("cursor".to_owned()),
            problem: "it goes on with a list that was asked for with other arguments; give the same again, or none, or leave the cursor out to ask anew".to_owned(),
        })
    }
}

/// Four bytes of SHA-256; zero stands for nothing.
fn digest(text: &str) -> u32 {
    match (text, Sha256::digest(text).as_slice()) {
        ("", _) => 0,
        (_, [a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]).max(1),
        _ => 0,
    }
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// How the page is fetched that the list goes on in.
    #[serde(rename = "p")]
    pub(crate) page: PageSource,
    /// Entries of that page that were given already.
    #[serde(rename = "o", default)]
    pub(crate) offset: usize,
    /// Matches that were given already, on earlier pages too.
    #[serde(rename = "g", default)]
    pub(crate) given: usize,
    /// Matches in all, as far as is known.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    /// What the list is sorted by.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) sorted: Option<String>,
    /// The type that a search asked for; none for operations.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource_type: Option<String>,
    /// What the list was asked for with.
    #[serde(rename = "a", default)]
    pub(crate) asked: Asked,
}

/// How a page is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PageSource {
    /// A search.
    #[serde(rename = "s")]
    Search(String, Vec<Parameter>),
    /// An operation or history of a resource: type, id, operation.
    #[serde(rename = "r")]
    Read(String, String, Option<String>, Vec<Parameter>),
    /// The `next` link of an earlier page.
    #[serde(rename = "n")]
    Next(String),
}

impl PageSource {
    /// The interaction that fetches it.
    pub(crate) fn interaction(&self) -> Interaction {
        match self.clone() {
            Self::Search(resource_type, parameters) => Interaction::Search {
                resource_type,
                parameters,
            },
            Self::Read(resource_type, id, operation, parameters) => Interaction::Read {
                resource_type,
                id,
                operation,
                parameters,
            },
            Self::Next(link) => Interaction::NextPage { link },
        }
    }
}

/// A place among the issues of a resource. The resource itself is not in it: a
/// model gives it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssuePosition {
    /// Groups that were given already.
    #[serde(rename = "i")]
    pub(crate) offset: usize,
    /// Fingerprint of all issues, which tells another resource.
    #[serde(rename = "f")]
    pub(crate) fingerprint: String,
    /// The resource on the server, if it is one.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// The profile that was asked for.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        client::{FixtureStore, Secret, Source},
        mcp::{Options, WriteOptions},
    };

    fn server(seal_key: Option<&str>, principal: Option<&str>) -> FhirServer {
        let options = Options {
            writes: WriteOptions {
                seal_key: seal_key.map(Secret::new),
                ..WriteOptions::default()
            },
            ..Options::default()
        };
        let mut server = FhirServer::new(Source::Fixtures(FixtureStore::new()), options);
        server.principal = principal.map(Arc::from);
        server
    }

    fn position() -> Position {
        Position {
            page: PageSource::Search(
                "Patient".to_owned(),
                vec![("name".to_owned(), "Ä|1".to_owned())],
            ),
            offset: 3,
            given: 7,
            total: Some(90),
            sorted: None,
            resource_type: Some("Patient".to_owned()),
            asked: Asked::new("", "", &[("name".to_owned(), "Ä|1".to_owned())]),
        }
    }

    fn is_bad(cursors: &Cursors<'_>, cursor: &str) -> bool {
        matches!(cursors.open::<Position>(cursor), Err(ToolError::BadCursor))
    }

    #[test]
    fn a_cursor_leads_back_and_no_changed_one_does() {
        let server = server(None, None);
        let cursors = Cursors::new(&server, "search", "Patient");
        let cursor = cursors.seal(&position());
        assert_eq!(cursors.open::<Position>(&cursor).unwrap(), position());
        assert!(cursors.open::<IssuePosition>(&cursor).is_err());
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert!(is_bad(&cursors, &String::from_utf8(changed).unwrap()));
        }
        for other in ["", "a", "====", "AAAA", "rs1.AAAA.AAAA", &cursor[1..]] {
            assert!(is_bad(&cursors, other));
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_caller_tool_type_and_key() {
        const KEY: &str = "0123456789abcdef0123456789abcdef";
        let own = server(Some(KEY), Some("one"));
        let cursor = Cursors::new(&own, "search", "Patient").seal(&position());
        let replica = server(Some(KEY), Some("one"));
        assert!(!is_bad(
            &Cursors::new(&replica, "search", "Patient"),
            &cursor
        ));
        let (other, nobody) = (server(Some(KEY), Some("two")), server(Some(KEY), None));
        let (other_key, no_key) = (
            server(Some(&KEY.replace('0', "x")), Some("one")),
            server(None, Some("one")),
        );
        for (server, tool, resource_type) in [
            (&own, "read", "Patient"),
            (&own, "search", "Observation"),
            (&other, "search", "Patient"),
            (&nobody, "search", "Patient"),
            (&other_key, "search", "Patient"),
            (&no_key, "search", "Patient"),
        ] {
            assert!(is_bad(&Cursors::new(server, tool, resource_type), &cursor));
        }
    }

    #[test]
    fn other_arguments_beside_a_cursor_are_noticed() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parameters = [pair("name", "x"), pair("birthdate", "1990")];
        let reordered = [pair("birthdate", "1990"), pair("name", "x")];
        let asked = Asked::new("1", "", &parameters);
        for same in [("1", reordered.as_slice()), ("", &[]), ("1", &[])] {
            assert!(asked.check(Asked::new(same.0, "", same.1)).is_ok());
        }
        assert!(asked.check(Asked::new("2", "", &[])).is_err());
        assert!(asked.check(Asked::new("1", "$everything", &[])).is_err());
        assert!(asked.check(Asked::new("1", "", &parameters[..1])).is_err());
    }
}
