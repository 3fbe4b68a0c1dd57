//! The generated JSON Schemas: kept compressed, one definition a type, put
//! together on demand.

use std::{collections::BTreeMap, io::Read};

use flate2::read::DeflateDecoder;
use serde_json::value::RawValue;

static DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fhir/schemas.json.deflate"));

/// The self-contained JSON Schema (2020-12) of a resource type or datatype, or
/// `None` for an unknown name. `contained` and `entry.resource` are objects with
/// a resourceType.
pub fn json_schema(name: &str) -> Option<String> {
    let mut text = String::new();
    // The bytes are our own; reading them cannot fail but by a broken build.
    DeflateDecoder::new(DEFLATED)
        .read_to_string(&mut text)
        .ok()?;
    let definitions: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).ok()?;
    let root = definitions.get(name)?.get();
    let mut wanted: Vec<&str> = references(root).collect();
    let mut parts: BTreeMap<&str, &str> = BTreeMap::new();
    while let Some(part) = wanted.pop() {
        if let Some(definition) = definitions.get(part)
            && parts.insert(part, definition.get()).is_none()
        {
            wanted.extend(references(definition.get()));
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, definition)| format!("\"{name}\":{definition}"))
        .collect();
    Some(format!(
        "{{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":\"fhir-schema://R4/{name}\",{},\
         \"$defs\":{{{}}}}}",
        root.strip_prefix('{')?.strip_suffix('}')?,
        parts.join(",")
    ))
}

/// The names after `#/$defs/`.
fn references(definition: &str) -> impl Iterator<Item = &str> {
    definition
        .split("\"#/$defs/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}
