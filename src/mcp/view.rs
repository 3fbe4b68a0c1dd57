//! The default view of a resource: what it leaves out is named in the answer.
//!
//! Generated narrative repeats the data, version metadata says nothing about
//! the patient, large attachments fill the context. Everything else stays, first
//! of all what changes meaning: modifier extensions, comparators, units, data
//! absent reasons, status elements, security labels.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::json::Json;
use crate::model::{
    self,
    definition::{ElementDef, Key, TypeDef},
};

/// Attachment data up to this length stays; in bytes of base64.
const MAX_DATA: usize = 1_024;

/// Elements of `meta` that speak of the copy and not of its content.
const VERSION_META: [&str; 4] = ["versionId", "lastUpdated", "source", "profile"];

/// What was left out: element, reason and how often, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Omissions(Vec<(String, &'static str, usize)>);

impl Omissions {
    fn add(&mut self, element: String, reason: &'static str) {
        let same = self
            .0
            .iter_mut()
            .find(|(known, why, _)| *known == element && *why == reason);
        match same {
            Some((_, _, count)) => *count += 1,
            None => self.0.push((element, reason, 1)),
        }
    }

    /// Takes over those of a part of the answer.
    pub(crate) fn append(&mut self, other: Omissions) {
        for (element, reason, count) in other.0 {
            let same = self
                .0
                .iter_mut()
                .find(|(known, why, _)| *known == element && *why == reason);
            match same {
                Some((_, _, total)) => *total += count,
                None => self.0.push((element, reason, count)),
            }
        }
    }

    /// A list of `{element, reason, count}`.
    pub(crate) fn listed(&self) -> Json {
        let items = self.0.iter().map(|(element, reason, count)| {
            Json::object([
                ("element", Json::text(element.as_str())),
                ("reason", Json::text(*reason)),
                ("count", Json::Number(count.to_string())),
            ])
        });
        Json::Array(items.collect())
    }

    /// Whether nothing was left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Brings a resource into the default view.
pub(crate) fn reduce(resource: &mut Json, omissions: &mut Omissions) {
    let Some(resource_type) = resource.str("resourceType").map(ToOwned::to_owned) else {
        return;
    };
    lead_with_id(resource);
    drop_narrative(resource, omissions);
    drop_version_meta(resource, omissions);
    if let Some(definition) = model::type_def(&resource_type) {
        walk(resource, definition, &resource_type, omissions);
    }
}

/// Cuts a resource down to a length in bytes by taking out its longest elements,
/// none of which is a modifier.
pub(crate) fn shorten(resource: &mut Json, limit: usize, omissions: &mut Omissions) {
    let resource_type = resource.str("resourceType").unwrap_or_default().to_owned();
    let definition = model::type_def(&resource_type);
    let is_modifier = |name: &str| {
        definition
            .and_then(|definition| property(definition, name))
            .is_some_and(|(_, element)| element.is_modifier)
    };
    let mut length = resource.text_len();
    while length > limit {
        let Json::Object(members) = resource else {
            return;
        };
        let longest = members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "resourceType" | "id" | "meta"))
            .filter(|(name, _)| !is_modifier(name))
            .max_by_key(|(_, value)| value.text_len())
            .map(|(name, _)| name.clone());
        let Some(name) = longest else { return };
        resource.remove(&name);
        omissions.add(
            format!("{resource_type}.{name}"),
            "too long for one answer; read it alone with searchParam {\"_elements\":…} or view raw",
        );
        length = resource.text_len();
    }
}

/// Puts type and id first, wherever the server has them.
fn lead_with_id(resource: &mut Json) {
    for name in ["id", "resourceType"] {
        if let Some(value) = resource.remove(name)
            && let Json::Object(members) = resource
        {
            members.insert(0, (name.to_owned(), value));
        }
    }
}

/// Narrative that was generated from the data, or is empty.
fn drop_narrative(resource: &mut Json, omissions: &mut Omissions) {
    let status = resource.get("text").and_then(|text| text.str("status"));
    if matches!(status, Some("generated" | "empty")) {
        resource.remove("text");
        omissions.add("DomainResource.text".to_owned(), "generated narrative");
    }
}

fn drop_version_meta(resource: &mut Json, omissions: &mut Omissions) {
    let Some(mut meta) = resource.remove("meta") else {
        return;
    };
    for name in VERSION_META {
        if meta.remove(name).is_some() {
            omissions.add(format!("Resource.meta.{name}"), "version metadata");
        }
        meta.remove(&format!("_{name}"));
    }
    if meta != Json::Object(Vec::new())
        && let Json::Object(members) = resource
    {
        // Behind resourceType and id, where it is most often found.
        let place = members
            .iter()
            .take_while(|(name, _)| name == "resourceType" || name == "id")
            .count();
        members.insert(place, ("meta".to_owned(), meta));
    }
}

/// Goes down along the definitions, so that an element is known by its type and
/// not by its name.
fn walk(value: &mut Json, definition: &'static TypeDef, path: &str, omissions: &mut Omissions) {
    if matches!(definition.name, "Attachment" | "Binary") {
        replace_data(value, path, omissions);
    }
    let Json::Object(members) = value else { return };
    for (name, child) in members {
        let Some((key, element)) = property(definition, name) else {
            continue;
        };
        let Some(target) = element.types.get(usize::from(key.variant)) else {
            continue;
        };
        let path = format!("{path}.{name}");
        let children = match child {
            Json::Array(items) => items.as_mut_slice(),
            single => std::slice::from_mut(single),
        };
        for child in children {
            match target.definition() {
                Some(definition) => walk(child, definition, &path, omissions),
                None if target.code == "Resource" => reduce(child, omissions),
                None => {}
            }
        }
    }
}

/// The element that a JSON property belongs to.
fn property(
    definition: &'static TypeDef,
    name: &str,
) -> Option<(&'static Key, &'static ElementDef)> {
    let key = definition.keys.iter().find(|key| key.name == name)?;
    let element = definition.elements.get(usize::from(key.element))?;
    Some((key, element))
}

/// Long data becomes a note that identifies it.
fn replace_data(value: &mut Json, path: &str, omissions: &mut Omissions) {
    let Some(data) = value.str("data").filter(|data| data.len() > MAX_DATA) else {
        return;
    };
    let base64: Vec<u8> = data
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let content_type = value.str("contentType").unwrap_or("unknown type");
    let note = match STANDARD.decode(&base64) {
        Ok(bytes) => {
            let digest = Sha256::digest(&bytes);
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!(
                "[left out: {content_type}, {} bytes, sha256 {digest}]",
                bytes.len()
            )
        }
        Err(_) => format!("[left out: {content_type}, {} characters]", data.len()),
    };
    value.set("data", Json::String(note));
    omissions.add(format!("{path}.data"), "data over 1 KB");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrative_and_version_meta_go_and_meaning_stays() {
        let source = r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"3","lastUpdated":"2024-01-01T00:00:00Z","security":[{"code":"R"}]},"text":{"status":"generated","div":"<div/>"},"active":false,"modifierExtension":[{"url":"http://x"}]}"#;
        let mut patient = Json::parse(source).unwrap();
        let mut omissions = Omissions::default();
        reduce(&mut patient, &mut omissions);
        assert_eq!(
            patient.to_text(),
            r#"{"resourceType":"Patient","id":"1","meta":{"security":[{"code":"R"}]},"active":false,"modifierExtension":[{"url":"http://x"}]}"#
        );
        assert_eq!(
            omissions.listed().to_text(),
            r#"[{"element":"DomainResource.text","reason":"generated narrative","count":1},{"element":"Resource.meta.versionId","reason":"version metadata","count":1},{"element":"Resource.meta.lastUpdated","reason":"version metadata","count":1}]"#
        );
    }

    #[test]
    fn written_narrative_stays() {
        let source = r#"{"resourceType":"Patient","text":{"status":"additional","div":"<div/>"}}"#;
        let mut patient = Json::parse(source).unwrap();
        let mut omissions = Omissions::default();
        reduce(&mut patient, &mut omissions);
        assert_eq!(patient.to_text(), source);
        assert!(omissions.is_empty());
    }

    /// Official examples, with every kind of content.
    fn examples() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/r4");
        let files = std::fs::read_dir(folder).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.collect()
    }

    #[test]
    fn an_example_in_the_default_view_is_valid_and_keeps_what_changes_meaning() {
        const KEPT: [&str; 7] = [
            "modifierExtension",
            "comparator",
            "unit",
            "dataAbsentReason",
            "status",
            "security",
            "value",
        ];
        for text in examples() {
            let mut json = Json::parse(&text).unwrap();
            // The status of a narrative goes with the narrative.
            let mut before = json.clone();
            drop_narratives(&mut before);
            reduce(&mut json, &mut Omissions::default());
            for name in KEPT {
                assert_eq!(count(&json, name), count(&before, name), "{name} in {text}");
            }
            let notes = json.to_text().replace("[left out: ", "");
            if notes.len() == json.text_len() {
                let reading = crate::model::Resource::from_slice(notes.as_bytes());
                assert!(reading.is_valid(), "{:?} in {notes}", reading.issues);
            }
        }
    }

    #[test]
    fn an_example_cut_to_measure_keeps_its_modifiers() {
        for text in examples() {
            let mut json = Json::parse(&text).unwrap();
            let before = json.clone();
            let mut omissions = Omissions::default();
            shorten(&mut json, 1_000, &mut omissions);
            let resource_type = before.str("resourceType").unwrap();
            let definition = model::type_def(resource_type).unwrap();
            for key in definition.keys {
                if definition.elements[usize::from(key.element)].is_modifier {
                    assert_eq!(json.get(key.name), before.get(key.name));
                }
            }
            assert_eq!(omissions.is_empty(), json == before);
        }
    }

    fn drop_narratives(json: &mut Json) {
        match json {
            Json::Array(items) => items.iter_mut().for_each(drop_narratives),
            Json::Object(members) => {
                members.retain(|(name, value)| name != "text" || value.get("div").is_none());
                members
                    .iter_mut()
                    .for_each(|(_, value)| drop_narratives(value));
            }
            _ => {}
        }
    }

    fn count(json: &Json, wanted: &str) -> usize {
        match json {
            Json::Array(items) => items.iter().map(|item| count(item, wanted)).sum(),
            Json::Object(members) => members
                .iter()
                .filter(|(name, value)| name != "text" || value.get("div").is_none())
                .map(|(name, value)| usize::from(name == wanted) + count(value, wanted))
                .sum(),
            _ => 0,
        }
    }
}
