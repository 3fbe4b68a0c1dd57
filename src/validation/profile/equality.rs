//! Whether a value is what a profile fixes, or has what its pattern has
//! ([fixed[x]](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_),
//! [pattern[x]](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_)).

use serde_json::{Map, Value};

use crate::model::object::{Node, Object, Slot};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Exactly the same, with nothing missing and nothing more.
    Fixed,
    /// At least this; of a list each entry, in any order.
    Pattern,
}

/// Whether a value agrees with the JSON of a definition.
pub(super) fn agrees(node: Node<'_>, wanted: &Value, comparison: Comparison) -> bool {
    match node {
        Node::Object(object) => object_agrees(object, wanted, comparison),
        Node::Resource(resource) => object_agrees(resource.as_object(), wanted, comparison),
        Node::Primitive(primitive) => {
            let same = match (primitive.text(), wanted) {
                (Some(text), Value::String(wanted)) => text == wanted.as_str(),
                (Some(text), Value::Bool(wanted)) => text == if *wanted { "true" } else { "false" },
                (Some(text), Value::Number(wanted)) => same_number(&text, wanted),
                _ => false,
            };
            same && (comparison == Comparison::Pattern || primitive.element().is_none())
        }
        Node::Gap => wanted.is_null(),
    }
}

/// Numbers agree by value: JSON says nothing of the precision of a definition
/// that was read as a number.
fn same_number(text: &str, wanted: &serde_json::Number) -> bool {
    wanted.to_string() == text
        || text
            .parse::<f64>()
            .is_ok_and(|number| wanted.as_f64() == Some(number))
}

fn object_agrees(object: &dyn Object, wanted: &Value, comparison: Comparison) -> bool {
    let Value::Object(wanted) = wanted else {
        return false;
    };
    let definition = object.definition();
    let has_all = wanted
        .iter()
        .all(|(name, value)| match name.strip_prefix('_') {
            Some(name) => sibling_agrees(object, name, value, comparison),
            None if name == "resourceType" => value.as_str() == Some(definition.name),
            None => property(object, name)
                .is_some_and(|(slot, many)| slot_agrees(slot, many, value, comparison)),
        });
    has_all && (comparison == Comparison::Pattern || has_nothing_more(object, wanted))
}

/// The content of a JSON property, if it has any, and whether it is a list.
fn property<'o>(object: &'o dyn Object, name: &str) -> Option<(&'o dyn Slot, bool)> {
    let definition = object.definition();
    let key = definition.keys.iter().find(|key| key.name == name)?;
    let slot = object.slot(usize::from(key.element));
    let element = definition.elements.get(usize::from(key.element))?;
    (!slot.is_empty() && slot.variant() == usize::from(key.variant)).then_some((slot, element.many))
}

fn slot_agrees(slot: &dyn Slot, many: bool, wanted: &Value, comparison: Comparison) -> bool {
    match wanted {
        Value::Array(wanted) if many => match comparison {
            Comparison::Fixed => {
                wanted.len() == slot.len()
                    && wanted
                        .iter()
                        .zip(slot.iter())
                        .all(|(wanted, node)| agrees(node, wanted, comparison))
            }
            Comparison::Pattern => wanted
                .iter()
                .all(|wanted| slot.iter().any(|node| agrees(node, wanted, comparison))),
        },
        // A definition may say one entry without a list.
        _ => slot.iter().any(|node| agrees(node, wanted, comparison)),
    }
}

/// The `_` sibling of a single primitive.
fn sibling_agrees(object: &dyn Object, name: &str, wanted: &Value, comparison: Comparison) -> bool {
    let Some((slot, _)) = property(object, name) else {
        return false;
    };
    slot.iter().any(|node| match node {
        Node::Primitive(primitive) => primitive
            .element()
            .is_some_and(|element| object_agrees(element, wanted, comparison)),
        _ => false,
    })
}

fn has_nothing_more(object: &dyn Object, wanted: &Map<String, Value>) -> bool {
    let definition = object.definition();
    definition
        .elements
        .iter()
        .enumerate()
        .all(|(index, element)| {
            let slot = object.slot(index);
            let key = definition
                .keys
                .get(usize::from(element.first_key) + slot.variant());
            slot.is_empty()
                || key.is_some_and(|key| {
                    wanted.contains_key(key.name) || wanted.contains_key(&format!("_{}", key.name))
                })
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Comparison::*, *};
    use crate::model::CodeableConcept;

    #[test]
    fn fixed_is_all_and_pattern_is_part() {
        let json = br#"{"coding":[{"system":"s","code":"a"},{"system":"s","code":"b","display":"B"}],"text":"t"}"#;
        let concept = CodeableConcept::from_slice(json).value.expect("a value");
        let agrees =
            |wanted: Value, comparison| agrees(Node::Object(&concept), &wanted, comparison);
        assert!(agrees(serde_json::from_slice(json).expect("JSON"), Fixed));
        assert!(!agrees(json!({"text": "t"}), Fixed));
        assert!(agrees(json!({"text": "t"}), Pattern));
        assert!(agrees(
            json!({"coding": [{"code": "b"}, {"code": "a"}]}),
            Pattern
        ));
        assert!(!agrees(
            json!({"coding": [{"code": "b", "display": "A"}]}),
            Pattern
        ));
        assert!(!agrees(
            json!({"coding": [{"system": "s", "code": "a"}], "text": "t"}),
            Fixed
        ));
        assert!(!agrees(json!({"text": "t", "id": "x"}), Pattern));
    }
}
