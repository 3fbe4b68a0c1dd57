//! Tool schemas that every client takes.
//!
//! Clients refuse, or lose, tools over constructs that JSON Schema allows:
//! references, combinators, lists of types, most annotations. What schemars
//! makes of the argument structs is brought down to what all of them read:
//! `type`, `properties`, `required`, `items`, `enum`, `description`.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

/// Keywords that stay.
const PORTABLE: [&str; 6] = [
    "type",
    "description",
    "properties",
    "required",
    "items",
    "enum",
];

/// The schema of an argument struct.
pub(crate) fn input<T: JsonSchema>() -> JsonObject {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let mut object = std::mem::take(schema.ensure_object());
    // The doc comment of the struct speaks to readers of the code.
    object.remove("description");
    make_portable(&mut object);
    object
        .entry("properties")
        .or_insert_with(|| Value::Object(JsonObject::new()));
    object
}

/// The schema of an answer: an object with these properties, none required,
/// each described no deeper than that.
pub(crate) fn output(properties: &[(&str, &str, &str)]) -> JsonObject {
    let properties: JsonObject = properties
        .iter()
        .map(|(name, kind, description)| {
            let mut property = JsonObject::new();
            match kind.strip_prefix("array of ") {
                Some(item) => {
                    property.insert("type".to_owned(), json!("array"));
                    property.insert("items".to_owned(), json!({"type": item}));
                }
                None => {
                    property.insert("type".to_owned(), json!(kind));
                }
            }
            if !description.is_empty() {
                property.insert("description".to_owned(), json!(description));
            }
            ((*name).to_owned(), Value::Object(property))
        })
        .collect();
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema
}

fn make_portable(schema: &mut JsonObject) {
    unwrap_option(schema);
    schema.retain(|keyword, _| PORTABLE.contains(&keyword.as_str()));
    if let Some(Value::Array(types)) = schema.get("type") {
        let single = types.iter().find(|kind| *kind != "null").cloned();
        schema.insert("type".to_owned(), single.unwrap_or_else(|| json!("string")));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties
            .values_mut()
            .filter_map(Value::as_object_mut)
            .for_each(make_portable);
    }
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        make_portable(items);
    }
}

/// `anyOf` of a schema and null, which stands for an `Option`, becomes the schema.
fn unwrap_option(schema: &mut JsonObject) {
    let Some(Value::Array(variants)) = schema.remove("anyOf") else {
        return;
    };
    let inner = variants
        .into_iter()
        .find(|variant| variant["type"] != "null");
    if let Some(Value::Object(inner)) = inner {
        for (keyword, value) in inner {
            schema.entry(keyword).or_insert(value);
        }
    }
}
