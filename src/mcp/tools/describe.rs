//! `describe`: a type or element in few words.

use std::fmt::Write as _;

use crate::model::near;
use rmcp::model::JsonObject;

use crate::{
    mcp::{
        FhirServer,
        arguments::{self, Describe},
        catalogue::{Answer, ToolEntry},
        failure::{ToolError, near_names},
        json::Json,
        reply::Reply,
        schema,
    },
    model::{
        self, RESOURCE_TYPES,
        definition::{BindingStrength, ElementDef, Kind, TypeDef, TypeRef},
        search::{SearchParamType, SearchParameter},
    },
};

/// Bytes of an answer: 1,000 tokens.
const BUDGET: usize = 4_000;

/// Bytes that names, marks and the envelope take.
const ENVELOPE: usize = 600;

/// Required codes that a line names at most.
const MAX_CODES: usize = 12;

/// Elements that every resource or element has; they are not described again.
const INHERITED: [&str; 9] = [
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "resourceType",
];

const MARKS: &str = "! required, ? optional, * any number, + at least one; (m) changes the meaning of what it is in";

const DESCRIPTION: &str = "Describes a FHIR R4 type or element in at most 1,000 tokens: a line for each element with cardinality mark, type, codes of required bindings and targets of references, and for resource types the search parameters. Takes Patient, a datatype such as Timing, or an element path such as Claim.item, which goes down into what was too long before.\n\
It does not describe profiles, nor what this server supports (get_capabilities).";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "describe",
        "Describe a FHIR type",
        DESCRIPTION,
        (schema::input::<Describe>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("name", "string", "Type or element path"),
        ("short", "string", ""),
        (
            "marks",
            "string",
            "What the marks behind element names mean",
        ),
        (
            "elements",
            "array of string",
            "One element a line: name, mark, type",
        ),
        (
            "codes",
            "array of string",
            "Codes of the required binding of the element",
        ),
        (
            "searchParameters",
            "array of string",
            "name:type, with targets of references",
        ),
    ])
}

fn call(_: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Describe = arguments::parse(arguments)?;
        let subject = find(arguments.path.0.trim())?;
        Ok(Reply::new(subject.describe()))
    })
}

/// What is described.
struct Subject {
    /// As it was asked for: `Claim.item`.
    path: String,
    /// What it says of itself, with type and mark for an element.
    short: String,
    /// Its content, unless it is primitive.
    definition: Option<&'static TypeDef>,
    /// All codes of a required binding, which lines of other descriptions cut.
    codes: &'static [&'static str],
}

/// Goes down a path, through datatypes too (`Patient.name.period`).
fn find(given: &str) -> Result<Subject, ToolError> {
    let mut names = given.split('.');
    let root = names.next().unwrap_or_default();
    let mut definition = Some(model::type_def(root).ok_or_else(|| unknown(given, root))?);
    let mut path = root.to_owned();
    let mut short = definition.map_or("", |found| found.short).to_owned();
    let mut codes: &[&str] = &[];
    for name in names {
        let Some(parent) = definition else {
            return Err(ToolError::UnknownElement {
                given: clipped(given),
                hint: format!("{path} is primitive and has no elements"),
            });
        };
        let name = name.trim_end_matches("[x]");
        let element = parent
            .element(name)
            .map(|(_, element)| element)
            .or_else(|| {
                let key = parent.keys.iter().find(|key| key.name == name)?;
                parent.elements.get(usize::from(key.element))
            });
        let Some(element) = element else {
            let names = parent.elements.iter().map(|element| element.name);
            let near = near::matches(name, names.clone());
            let names: Vec<&str> = names.collect();
            return Err(ToolError::UnknownElement {
                given: clipped(given),
                hint: format!(
                    "{path} has no {:?}{}; it has {}",
                    clipped(name),
                    near_names(&near),
                    names.join(", ")
                ),
            });
        };
        path = format!("{path}.{}", element.name);
        short = element_line(element, "", true, &path);
        codes = element.binding.map_or(&[], |binding| binding.codes);
        definition = match element.types {
            [only] => only.definition(),
            _ => None,
        };
    }
    Ok(Subject {
        path,
        short,
        definition,
        codes,
    })
}

impl Subject {
    /// The richest description that fits.
    fn describe(&self) -> Json {
        let parameters = match self.definition {
            Some(definition) if definition.kind == Kind::Resource && !self.path.contains('.') => {
                parameters(definition.name)
            }
            _ => Vec::new(),
        };
        let room = BUDGET - ENVELOPE - self.short.len().min(400);
        let mut answer = Json::object([
            ("name", Json::text(&self.path)),
            ("short", Json::text(&self.short)),
            ("marks", Json::text(MARKS)),
        ]);
        if !self.codes.is_empty() {
            let codes = self.codes.iter().map(|code| (*code).to_owned()).collect();
            answer.set("codes", texts(bounded(codes, room)));
        }
        let Some(definition) = self.definition else {
            return answer;
        };
        let taken: usize = length(&parameters).min(room / 2);
        let elements = fitting(definition, &self.path, room - taken);
        let left = room.saturating_sub(length(&elements));
        answer.set("elements", texts(elements));
        if !parameters.is_empty() {
            answer.set("searchParameters", texts(bounded(parameters, left)));
        }
        answer
    }
}

/// Lines for the elements of a type, with as much as there is room for: all
/// levels, then the first alone; with and without short texts.
fn fitting(definition: &'static TypeDef, path: &str, room: usize) -> Vec<String> {
    for (depth, documented) in [(9, true), (1, true), (0, true), (1, false), (0, false)] {
        let mut lines = Vec::new();
        write_elements(definition, path, depth, documented, "", &mut lines);
        if length(&lines) <= room {
            return lines;
        }
    }
    let mut lines = Vec::new();
    write_elements(definition, path, 0, false, "", &mut lines);
    bounded(lines, room)
}

fn write_elements(
    definition: &'static TypeDef,
    path: &str,
    depth: usize,
    documented: bool,
    indent: &str,
    lines: &mut Vec<String>,
) {
    let elements = definition.elements.iter();
    for element in elements.filter(|element| !INHERITED.contains(&element.name)) {
        let path = format!("{path}.{}", element.name);
        lines.push(element_line(element, indent, documented, &path));
        if depth > 0
            && let Some(children) = own_children(element, &path)
        {
            let indent = format!("{indent}  ");
            write_elements(children, &path, depth - 1, documented, &indent, lines);
        } else if own_children(element, &path).is_some()
            && let Some(line) = lines.last_mut()
        {
            let _ = write!(line, " {{describe {path}}}");
        }
    }
}

/// The content of a backbone element; that of a datatype is described with it.
fn own_children(element: &ElementDef, path: &str) -> Option<&'static TypeDef> {
    let definition = element.types.first()?.definition()?;
    // A content reference leads to an element elsewhere, or around in a circle.
    (definition.kind == Kind::Backbone && path.ends_with(definition.name)).then_some(definition)
}

/// `subject?: Reference(Patient|Group) — Who it is about`
fn element_line(element: &ElementDef, indent: &str, documented: bool, path: &str) -> String {
    let mark = match (element.min, element.many) {
        (0, false) => '?',
        (0, true) => '*',
        (_, false) => '!',
        (_, true) => '+',
    };
    let choice = if element.choice { "[x]" } else { "" };
    let modifier = if element.is_modifier { " (m)" } else { "" };
    let mut line = format!("{indent}{}{choice}{mark}:", element.name);
    let types: Vec<String> = element.types.iter().map(|t| type_text(t, path)).collect();
    if !types.iter().all(String::is_empty) {
        let _ = write!(line, " {}", types.join(" | "));
    }
    if let Some(codes) = codes(element) {
        let _ = write!(line, " {codes}");
    }
    line.push_str(modifier);
    if documented && !repeats_codes(element) {
        let _ = write!(line, " — {}", element.short);
    }
    line
}

/// Whether the short text is but the list of codes, which the line has already.
fn repeats_codes(element: &ElementDef) -> bool {
    let Some(codes) = codes(element) else {
        return false;
    };
    let compact: String = element.short.split(' ').collect();
    codes == format!("({compact})")
}

fn type_text(target: &TypeRef, path: &str) -> String {
    match target.definition() {
        Some(definition) if definition.kind == Kind::Backbone => {
            if path.ends_with(definition.name) {
                String::new()
            } else {
                format!("as {}", definition.name)
            }
        }
        _ if target.targets.is_empty() => target.code.to_owned(),
        _ => format!("{}({})", target.code, target.targets.join("|")),
    }
}

/// The codes of a required binding, or its value set when they are many.
fn codes(element: &ElementDef) -> Option<String> {
    let binding = element.binding?;
    if binding.strength != BindingStrength::Required {
        return None;
    }
    if binding.codes.is_empty() || binding.codes.len() > MAX_CODES {
        let name = binding.value_set.rsplit('/').next().unwrap_or_default();
        return Some(format!("@{name}"));
    }
    Some(format!("({})", binding.codes.join("|")))
}

/// `name:type(targets)` for each search parameter of a resource type's own.
fn parameters(resource_type: &str) -> Vec<String> {
    let text = |known: &SearchParameter| {
        let targets = match known.kind {
            // Naming all of them would say less than nothing.
            SearchParamType::Reference if (1..=4).contains(&known.target.len()) => {
                format!("({})", known.target.join("|"))
            }
            _ => String::new(),
        };
        format!("{}:{}{targets}", known.code, known.kind.as_str())
    };
    model::search_parameters(resource_type)
        .filter(|known| !known.code.starts_with('_'))
        .map(text)
        .collect()
}

/// As many lines as fit, and a remark when that is not all.
fn bounded(mut lines: Vec<String>, room: usize) -> Vec<String> {
    let count = lines.len();
    while length(&lines) + 60 > room && !lines.is_empty() && length(&lines) > room {
        lines.pop();
    }
    if lines.len() < count {
        lines.pop();
        lines.push(format!("… and {} more", count - lines.len()));
    }
    lines
}

/// Bytes of the lines as JSON.
fn length(lines: &[String]) -> usize {
    lines.iter().map(|line| line.len() + 3).sum()
}

fn texts(lines: Vec<String>) -> Json {
    Json::Array(lines.into_iter().map(Json::String).collect())
}

fn unknown(given: &str, root: &str) -> ToolError {
    let near = near::matches(root, RESOURCE_TYPES.iter().copied());
    ToolError::UnknownElement {
        given: clipped(given),
        hint: format!(
            "give a resource type, a datatype or an element path such as Claim.item{}",
            near_names(&near)
        ),
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(100).collect()
}
