//! The extensions of the specification as text: a paragraph for each, sorted by
//! URL, which the library searches.
//!
//! The first line has URL, flags, value types, contexts and what must hold of the
//! element that has it (FHIRPath, all of them joined by `and`); each line after it a
//! part: a tab for each level, then name, flags and value types. Between them
//! stand tabs. Flags are `!` min 1, `*` many, `m` modifier, `v` value required.
//! Types are `Reference(Patient|Group)`, with spaces between them; none where
//! there must be no value.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Error, GeneratedFile};
use crate::fhirpath;

#[derive(Deserialize)]
struct File {
    structures: Vec<Structure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structure {
    url: String,
    context: Vec<Context>,
    #[serde(default)]
    context_invariant: Vec<String>,
    elements: Vec<Element>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "type")]
    kind: String,
    expression: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Element {
    path: String,
    #[serde(default)]
    id: Option<String>,
    min: u32,
    max: String,
    #[serde(default)]
    slice_name: Option<String>,
    #[serde(default)]
    fixed_uri: Option<String>,
    #[serde(default)]
    is_modifier: bool,
    #[serde(default, rename = "type")]
    types: Vec<ElementType>,
}

#[derive(Deserialize)]
struct ElementType {
    code: String,
    #[serde(default)]
    targets: Vec<String>,
}

impl Element {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.path)
    }
}

/// The table of all extensions.
pub fn table(text: &str) -> Result<GeneratedFile, Error> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| Error::new("extensions.json", error.to_string()))?;
    let mut paragraphs = BTreeMap::new();
    for structure in &file.structures {
        paragraphs.insert(&structure.url, paragraph(structure)?);
    }
    Ok(GeneratedFile {
        name: "extensions.txt".to_owned(),
        text: paragraphs.into_values().collect(),
    })
}

fn paragraph(structure: &Structure) -> Result<String, Error> {
    let by_id: BTreeMap<&str, &Element> = structure
        .elements
        .iter()
        .map(|element| (element.id(), element))
        .collect();
    let refuse = |reason: String| Err(Error::new(&structure.url, reason));
    let mut text = String::new();
    for element in &structure.elements {
        let root = element.path == "Extension";
        if !root && element.slice_name.is_none() {
            continue;
        }
        let id = element.id();
        let (Some(url), Some(value)) = (
            by_id.get(format!("{id}.url").as_str()),
            by_id.get(format!("{id}.value[x]").as_str()),
        ) else {
            return refuse(format!("{id} without url or value[x]"));
        };
        let Some(name) = &url.fixed_uri else {
            return refuse(format!("{id} without a fixed url"));
        };
        if root && *name != structure.url {
            return refuse(format!("the fixed url {name} is another one"));
        }
        let flags: String = [
            (element.min > 0, '!'),
            (element.max == "*", '*'),
            (element.is_modifier, 'm'),
            (value.min > 0, 'v'),
        ]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
        if !matches!(element.max.as_str(), "1" | "*") || element.min > 1 {
            return refuse(format!("the cardinality of {id} is new"));
        }
        let types = match value.max.as_str() {
            "0" => String::new(),
            _ => value
                .types
                .iter()
                .map(type_text)
                .collect::<Vec<_>>()
                .join(" "),
        };
        text += &"\t".repeat(id.matches(':').count());
        text += &format!("{name}\t{flags}\t{types}");
        if root {
            text += "\t";
            text += &contexts(structure)?;
            text += "\t";
            text += &invariant(structure)?;
        }
        text += "\n";
    }
    Ok(text)
}

fn type_text(r#type: &ElementType) -> String {
    match (r#type.code.as_str(), r#type.targets.as_slice()) {
        ("Reference", targets @ [_, ..]) => format!("Reference({})", targets.join("|")),
        (code, _) => code.to_owned(),
    }
}

/// What must hold where the extension stands, parsed to be sure that it can be.
fn invariant(structure: &Structure) -> Result<String, Error> {
    let expressions = structure
        .context_invariant
        .iter()
        // Two of them name the JSON property, which is no element.
        .map(|expression| expression.replace("%extension.valueInteger", "%extension.value"));
    let all: Vec<String> = match structure.context_invariant.len() {
        0 | 1 => expressions.collect(),
        _ => expressions.map(|one| format!("({one})")).collect(),
    };
    let text = all.join(" and ");
    let refuse = |reason: String| Err(Error::new(&structure.url, reason));
    if text.contains(['\t', '\n', '\r']) {
        return refuse("a context invariant with white space that divides".to_owned());
    }
    // It is evaluated when the element closes: its resource is not there yet.
    if text.contains("%resource") || text.contains("%rootResource") {
        return refuse("a context invariant about the resource is new".to_owned());
    }
    match fhirpath::parse(&text) {
        Err(error) if !text.is_empty() => refuse(format!("{text}: {error}")),
        _ => Ok(text),
    }
}

fn contexts(structure: &Structure) -> Result<String, Error> {
    let contexts: Result<Vec<&str>, Error> = structure
        .context
        .iter()
        .map(|context| match context.kind.as_str() {
            "element" => Ok(context.expression.as_str()),
            kind => Err(Error::new(
                &structure.url,
                format!("the context type {kind} is new"),
            )),
        })
        .collect();
    Ok(contexts?.join(" "))
}
