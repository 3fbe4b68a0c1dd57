//! JSON Schemas (2020-12): a definition for each type, from which the library
//! puts together the self-contained schema of a resource type.

use serde_json::{Map, Value, json};

use super::super::{
    Error,
    ir::{Element, Kind, Model, TypeDef, TypeKind, TypeRef},
    naming,
};

/// Strings without control characters but tab and line ends.
const TEXT: &str = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F]+$";
/// White space of XML Schema.
const NO_SPACE: &str = "^[^ \\t\\r\\n]+$";

const YEAR: &str = "([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)";
const MONTH: &str = "(0[1-9]|1[0-2])";
const DAY: &str = "(0[1-9]|[1-2][0-9]|3[0-1])";
const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?";
const ZONE: &str = "(Z|(\\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))";

/// One JSON object with the definition of every type.
pub(super) fn emit(model: &Model) -> Result<String, Error> {
    let mut definitions = Map::new();
    for primitive in &model.primitives {
        definitions.insert(primitive.clone(), primitive_schema(primitive)?);
    }
    definitions.insert(
        "Resource".to_owned(),
        json!({
            "description": "A resource of any type; each type has a schema of its own",
            "type": "object",
            "properties": { "resourceType": { "type": "string", "enum": model.resources } },
            "required": ["resourceType"],
        }),
    );
    for (path, r#type) in &model.types {
        definitions.insert(path.clone(), type_schema(r#type, model));
    }
    serde_json::to_string(&definitions)
        .map_err(|error| Error::new("schemas.json", error.to_string()))
}

fn primitive_schema(code: &str) -> Result<Value, Error> {
    let string = |pattern: String| json!({ "type": "string", "pattern": pattern });
    let integer =
        |minimum: i64| json!({ "type": "integer", "minimum": minimum, "maximum": i32::MAX });
    Ok(match code {
        "boolean" => json!({ "type": "boolean" }),
        "decimal" => json!({ "type": "number" }),
        "integer" => integer(i64::from(i32::MIN)),
        "unsignedInt" => integer(0),
        "positiveInt" => integer(1),
        "string" | "markdown" => string(TEXT.to_owned()),
        "xhtml" => json!({ "type": "string", "minLength": 1 }),
        "uri" | "url" | "canonical" => string(NO_SPACE.to_owned()),
        "code" => string("^[^ \\t\\r\\n]+([ \\t\\r\\n][^ \\t\\r\\n]+)*$".to_owned()),
        "id" => string("^[A-Za-z0-9\\-.]{1,64}$".to_owned()),
        "oid" => string("^urn:oid:[0-2](\\.(0|[1-9][0-9]*))+$".to_owned()),
        "uuid" => string(
            "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$".to_owned(),
        ),
        "base64Binary" => string("^[ \\t\\r\\n]*([0-9a-zA-Z+/=][ \\t\\r\\n]*)+$".to_owned()),
        "date" => string(format!("^{YEAR}(-{MONTH}(-{DAY})?)?$")),
        "dateTime" => string(format!("^{YEAR}(-{MONTH}(-{DAY}(T{TIME}{ZONE})?)?)?$")),
        "instant" => string(format!("^{YEAR}-{MONTH}-{DAY}T{TIME}{ZONE}$")),
        "time" => string(format!("^{TIME}$")),
        _ => return Err(Error::new(code, "a primitive type without a schema")),
    })
}

fn type_schema(r#type: &TypeDef, model: &Model) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut rules = Vec::new();
    if r#type.kind == Kind::Resource {
        properties.insert("resourceType".to_owned(), json!({ "const": r#type.path }));
        required.push(json!("resourceType"));
    }
    for element in &r#type.elements {
        // Each alternative: the names of its property and of the _ sibling.
        let mut alternatives: Vec<Vec<String>> = Vec::new();
        for reference in &element.types {
            let suffix = if element.choice {
                naming::capitalised(&reference.code)
            } else {
                String::new()
            };
            let name = format!("{}{suffix}", element.name);
            let primitive = matches!(reference.kind, TypeKind::Primitive | TypeKind::Code(_));
            let mut names = vec![name.clone()];
            properties.insert(name.clone(), property(element, reference, model));
            if primitive {
                let sibling = format!("_{name}");
                properties.insert(
                    sibling.clone(),
                    repeated(element, json!({ "$ref": "#/$defs/Element" }), true),
                );
                names.push(sibling);
            }
            alternatives.push(names);
        }
        presence(element, &alternatives, &mut required, &mut rules);
    }
    let mut schema =
        json!({ "description": r#type.short, "type": "object", "properties": properties });
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), Value::Array(required));
        }
        if !rules.is_empty() {
            schema.insert("allOf".to_owned(), Value::Array(rules));
        }
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema.insert("minProperties".to_owned(), json!(1));
    }
    schema
}

fn property(element: &Element, reference: &TypeRef, model: &Model) -> Value {
    let codes = match &reference.kind {
        TypeKind::Code(value_set) => model.code_sets.get(value_set),
        _ => None,
    };
    let value = match codes {
        Some(set) => {
            let codes: Vec<&str> = set.codes.iter().map(|code| code.code.as_str()).collect();
            json!({ "type": "string", "enum": codes })
        }
        None => json!({ "$ref": format!("#/$defs/{}", reference.code) }),
    };
    let nullable = matches!(reference.kind, TypeKind::Primitive | TypeKind::Code(_));
    let mut schema = repeated(element, value, nullable);
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), json!(element.short));
    }
    schema
}

/// The value, or an array of it; primitives pair up with `null`.
fn repeated(element: &Element, value: Value, nullable: bool) -> Value {
    if !element.cardinality.many {
        return value;
    }
    let items = if nullable {
        json!({ "anyOf": [value, { "type": "null" }] })
    } else {
        value
    };
    json!({ "type": "array", "items": items, "minItems": 1 })
}

/// What of an element must and may be there.
fn presence(
    element: &Element,
    alternatives: &[Vec<String>],
    required: &mut Vec<Value>,
    rules: &mut Vec<Value>,
) {
    let present = |names: &Vec<String>| {
        let each: Vec<Value> = names
            .iter()
            .map(|name| json!({ "required": [name] }))
            .collect();
        match each.as_slice() {
            [only] => only.clone(),
            _ => json!({ "anyOf": each }),
        }
    };
    let must = element.cardinality.min > 0;
    if element.choice {
        let mut one_of: Vec<Value> = alternatives.iter().map(present).collect();
        if !must {
            one_of.push(json!({ "not": { "anyOf": one_of } }));
        }
        rules.push(json!({ "oneOf": one_of }));
    } else if let (true, [names]) = (must, alternatives) {
        match names.as_slice() {
            [only] => required.push(json!(only)),
            _ => rules.push(present(names)),
        }
    }
}
