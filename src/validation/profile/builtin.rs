//! The profiles of the specification itself: kept compressed, decompressed when
//! the first of them is asked for.

use std::{collections::BTreeMap, io::Read, sync::LazyLock};

use flate2::read::DeflateDecoder;
use serde_json::{Value, value::RawValue};

/// What stands among the profiles and is none.
const CONSTRAINTS: &str = "constraints";

static DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fhir/profiles.json.deflate"));

/// The profiles by URL, as StructureDefinitions that are not parsed yet.
static PROFILES: LazyLock<BTreeMap<String, Box<RawValue>>> = LazyLock::new(|| {
    let mut text = String::new();
    // The bytes are our own; reading them cannot fail but by a broken build.
    match DeflateDecoder::new(DEFLATED).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => BTreeMap::new(),
    }
});

/// The constraints of the base types, each as its key and expression, sorted.
static BASE_CONSTRAINTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let keys = PROFILES.get(CONSTRAINTS);
    keys.and_then(|keys| serde_json::from_str(keys.get()).ok())
        .unwrap_or_default()
});

/// Whether a base type has this constraint. Keys alone do not tell: others use
/// the same.
pub(super) fn is_base_constraint(key: &str, expression: &str) -> bool {
    BASE_CONSTRAINTS
        .binary_search(&format!("{key} {expression}"))
        .is_ok()
}

/// The definition with this URL.
pub(super) fn definition(url: &str) -> Option<Value> {
    serde_json::from_str(PROFILES.get(url)?.get()).ok()
}

/// Whether there is one.
pub(super) fn knows(url: &str) -> bool {
    url != CONSTRAINTS && PROFILES.contains_key(url)
}

#[cfg(test)]
pub(super) fn urls() -> impl Iterator<Item = &'static str> {
    let urls = PROFILES.keys().map(String::as_str);
    urls.filter(|url| *url != CONSTRAINTS)
}
