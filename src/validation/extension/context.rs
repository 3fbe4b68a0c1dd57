//! Where an extension may stand
//! (<https://hl7.org/fhir/R4/defining-extensions.html#context>).

use super::table::Definition;
use crate::model::{
    definition::{Kind, TypeDef},
    reader::At,
};

/// Contexts that the definitions lack: the specification itself uses these
/// extensions there, thousands of times.
const MORE: [(&str, &[&str]); 4] = [
    // On the type, whose code is the primitive that the context names.
    ("structuredefinition-fhir-type", &["ElementDefinition.type"]),
    ("regex", &["ElementDefinition.type"]),
    // On what became normative, which are not structures alone.
    (
        "structuredefinition-normative-version",
        &[
            "CodeSystem",
            "ValueSet",
            "OperationDefinition",
            "ElementDefinition",
        ],
    ),
    // On the concepts of its code systems.
    ("valueset-concept-comments", &["CodeSystem.concept"]),
];

/// Whether the extension at this place is in one of its contexts.
pub(super) fn allows(definition: &Definition, at: &At<'_, '_>) -> bool {
    let Some((holder, _, _)) = at.path().next_back() else {
        return true;
    };
    let around = at.type_ref_around().map_or("", |type_ref| type_ref.code);
    let fits = |context: &str| {
        context == holder.name
            || is_a(around, context)
            || is_abstract(holder, context)
            || context.contains('.') && ends_in(context, at)
    };
    let more = || {
        MORE.iter()
            .find(|(name, _)| *name == super::name(definition))
    };
    definition.contexts().any(fits)
        || more().is_some_and(|(_, contexts)| contexts.iter().any(|context| fits(context)))
}

/// Whether a type is the one of the context or a specialization of it.
fn is_a(code: &str, context: &str) -> bool {
    code == context
        || matches!(
            (context, code),
            ("Quantity", "Age" | "Count" | "Distance" | "Duration")
                | ("string", "code" | "id" | "markdown")
                | ("uri", "canonical" | "oid" | "url" | "uuid")
                | ("integer", "positiveInt" | "unsignedInt")
        )
}

/// Whether the context is an abstract type that stands for this one.
fn is_abstract(holder: &TypeDef, context: &str) -> bool {
    match context {
        "Element" => true,
        "BackboneElement" => holder.kind == Kind::Backbone,
        // The two that have extensions and are no DomainResources have none of
        // their own.
        "Resource" | "DomainResource" => holder.kind == Kind::Resource,
        _ => false,
    }
}

/// Whether the path to the element with the extension ends in the context: its
/// elements upwards, up to the type or backbone element that it starts with.
fn ends_in(context: &str, at: &At<'_, '_>) -> bool {
    let mut rest = context;
    for (parent, element, _) in at.path().rev().skip(1) {
        let before = rest
            .strip_suffix("[x]")
            .unwrap_or(rest)
            .strip_suffix(element.name)
            .and_then(|before| before.strip_suffix('.'));
        match before {
            Some(before) if before == parent.name => return true,
            Some(before) => rest = before,
            None => return false,
        }
    }
    false
}
