//! Cursors: where the next answer goes on. They hold everything that is needed
//! for that, so the server keeps no state, and a checksum against mistakes in
//! copying. They grant nothing: what they lead to is checked like any request.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::failure::ToolError;
use crate::client::{Interaction, interaction::Parameter};

/// Bytes of the checksum.
const CHECKSUM: usize = 6;

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

/// The cursor of a position.
pub(crate) fn encode<T: Serialize>(position: &T) -> String {
    let json = serde_json::to_vec(position).unwrap_or_default();
    let mut bytes = checksum(&json).to_vec();
    bytes.extend(json);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor.
///
/// # Errors
/// [`ToolError::BadCursor`] when it is none of ours or was changed.
pub(crate) fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T, ToolError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor.trim())
        .map_err(|_| ToolError::BadCursor)?;
    let (sum, json) = bytes
        .split_at_checked(CHECKSUM)
        .ok_or(ToolError::BadCursor)?;
    if sum != checksum(json) {
        return Err(ToolError::BadCursor);
    }
    serde_json::from_slice(json).map_err(|_| ToolError::BadCursor)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_and_no_changed_one_does() {
        let position = Position {
            page: PageSource::Search(
                "Patient".to_owned(),
                vec![("name".to_owned(), "Ä|1".to_owned())],
            ),
            offset: 3,
            given: 7,
            total: Some(90),
            sorted: None,
            resource_type: Some("Patient".to_owned()),
        };
        let cursor = encode(&position);
        assert_eq!(decode::<Position>(&cursor).unwrap(), position);
        assert!(matches!(
            decode::<IssuePosition>(&cursor),
            Err(ToolError::BadCursor)
        ));
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(matches!(
                decode::<Position>(&changed),
                Err(ToolError::BadCursor)
            ));
        }
        for other in ["", "a", "====", "AAAA", &cursor[1..]] {
            assert!(matches!(
                decode::<Position>(other),
                Err(ToolError::BadCursor)
            ));
        }
    }
}
