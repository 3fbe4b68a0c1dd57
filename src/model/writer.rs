//! FHIR JSON out of the typed model: elements in the order of their definition,
//! numbers with the text that they were read with.

use super::{
    Resource,
    definition::{Kind, TypeDef},
    object::{Node, Object, PrimitiveNode, Slot},
    primitive::JsonType,
};

/// Compact JSON of a resource or datatype.
pub(crate) fn to_json(object: &dyn Object) -> String {
    let mut json = String::new();
    write_object(object, &mut json);
    json
}

fn write_object(object: &dyn Object, json: &mut String) {
    let definition = object.definition();
    json.push('{');
    if definition.kind == Kind::Resource {
        name("resourceType", false, json);
        string(definition.name, json);
    }
    for index in 0..definition.elements.len() {
        let slot = object.slot(index);
        if !slot.is_empty() {
            element(definition, index, slot, json);
        }
    }
    json.push('}');
}

fn element(definition: &'static TypeDef, index: usize, slot: &dyn Slot, json: &mut String) {
    let Some(element) = definition.elements.get(index) else {
        return;
    };
    let Some(key) = definition
        .keys
        .get(usize::from(element.first_key) + slot.variant())
    else {
        return;
    };
    if key.primitive {
        primitives(key.name, element.many, slot, json);
    } else {
        name(key.name, false, json);
        values(element.many, slot, json, |node, json| match node {
            Node::Object(object) => write_object(object, json),
            Node::Resource(resource) => write_object(resource.as_object(), json),
            Node::Primitive(_) | Node::Gap => json.push_str("null"),
        });
    }
}

/// The values, the siblings, or both, whichever there are.
fn primitives(key: &str, many: bool, slot: &dyn Slot, json: &mut String) {
    let any = |wanted: fn(&dyn PrimitiveNode) -> bool| {
        slot.iter()
            .any(|node| matches!(node, Node::Primitive(primitive) if wanted(primitive)))
    };
    if any(|primitive| primitive.text().is_some()) {
        name(key, false, json);
        values(many, slot, json, |node, json| match node {
            Node::Primitive(primitive) => value(primitive, json),
            _ => json.push_str("null"),
        });
    }
    if any(|primitive| primitive.element().is_some()) {
        name(key, true, json);
        values(many, slot, json, |node, json| match node {
            Node::Primitive(primitive) => match primitive.element() {
                Some(element) => write_object(element, json),
                None => json.push_str("null"),
            },
            _ => json.push_str("null"),
        });
    }
}

fn values(
    many: bool,
    slot: &dyn Slot,
    json: &mut String,
    mut write: impl FnMut(Node<'_>, &mut String),
) {
    if !many {
        return write(slot.get(0), json);
    }
    json.push('[');
    for (index, node) in slot.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write(node, json);
    }
    json.push(']');
}

fn value(primitive: &dyn PrimitiveNode, json: &mut String) {
    match primitive.text() {
        Some(text) if primitive.json_type() == JsonType::String => string(&text, json),
        Some(text) => json.push_str(&text),
        None => json.push_str("null"),
    }
}

fn name(key: &str, sibling: bool, json: &mut String) {
    if !json.ends_with('{') {
        json.push(',');
    }
    json.push('"');
    if sibling {
        json.push('_');
    }
    json.push_str(key);
    json.push_str("\":");
}

fn string(text: &str, json: &mut String) {
    json.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1F => "",
            _ => continue,
        };
        json.push_str(text.get(from..at).unwrap_or_default());
        if escape.is_empty() {
            json.push_str(&format!("\\u{byte:04x}"));
        } else {
            json.push_str(escape);
        }
        from = at + 1;
    }
    json.push_str(text.get(from..).unwrap_or_default());
    json.push('"');
}

impl Resource {
    /// FHIR JSON, compact.
    pub fn to_json(&self) -> String {
        to_json(self.as_object())
    }
}
