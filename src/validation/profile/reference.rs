//! What a reference of a profile may point to
//! ([targetProfile](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.targetProfile)).

use super::{
    definition::Target,
    walk::{Value, Walk, values},
};
use crate::model::{
    self, Reference, Resource,
    definition::Kind,
    object::{Node, Object},
};

/// What a reference points to instead of one of the targets; `None` where it
/// fits or where that cannot be known.
pub(super) fn mismatch(walk: &Walk<'_>, targets: &[Target], value: Value<'_>) -> Option<String> {
    let Node::Object(object) = value.node else {
        return None;
    };
    let reference = object.as_any().downcast_ref::<Reference>()?;
    let target = target(reference, walk.subject.resource);
    let type_name = type_name(reference, target)?;
    // A type that the base type does not allow is an issue of the base.
    let of_base = value.element?.types.get(value.variant)?.targets;
    if !of_base.is_empty()
        && !of_base
            .iter()
            .any(|base| [type_name, "Resource"].contains(base))
    {
        return None;
    }
    let fits = |wanted: &Target| match wanted {
        Target::Type(name) => *name == "Resource" || *name == type_name,
        Target::Profile(url) => match walk.subject.registry.profile(url) {
            Some(Ok(profile)) => {
                profile.of.name == type_name
                    && target.is_none_or(|target| {
                        walk.conforms(url, Value::root(Node::Resource(target)))
                    })
            }
            _ => true,
        },
    };
    if targets.iter().any(fits) {
        return None;
    }
    Some(
        match targets
            .iter()
            .any(|target| of_type(walk, target, type_name))
        {
            true => format!("a {type_name} without what the profile asks for"),
            false => format!("a {type_name}"),
        },
    )
}

fn of_type(walk: &Walk<'_>, target: &Target, type_name: &str) -> bool {
    match target {
        Target::Type(name) => *name == type_name,
        Target::Profile(url) => matches!(walk.subject.registry.profile(url),
            Some(Ok(profile)) if profile.of.name == type_name),
    }
}

/// The targets, in a message.
pub(super) fn names(targets: &[Target]) -> String {
    let names: Vec<&str> = targets
        .iter()
        .map(|target| match target {
            Target::Type(name) => name,
            Target::Profile(url) => url.as_str(),
        })
        .collect();
    names.join(" or ")
}

/// The contained resource that a reference points to.
pub(super) fn target<'r>(reference: &Reference, resource: &'r dyn Object) -> Option<&'r Resource> {
    let id = reference.reference.as_deref()?.strip_prefix('#')?;
    let (index, _) = resource.definition().element("contained")?;
    values(resource, index).find_map(|(_, value)| match value.node {
        Node::Resource(contained) if has_id(contained, id) => Some(contained),
        _ => None,
    })
}

fn has_id(resource: &Resource, id: &str) -> bool {
    match resource.as_object().get("id").map(|slot| slot.get(0)) {
        Some(Node::Primitive(own)) => own.text().is_some_and(|own| own == id),
        _ => false,
    }
}

/// The type of what a reference points to: of the contained resource, as its
/// URL says, or as it says itself.
pub(super) fn type_name(reference: &Reference, target: Option<&Resource>) -> Option<&'static str> {
    if let Some(target) = target {
        return Some(target.resource_type());
    }
    let known = |name: &str| {
        let of = model::type_def(name)?;
        (of.kind == Kind::Resource).then_some(of.name)
    };
    let url = reference.reference.as_deref().unwrap_or_default();
    let url = url.split("/_history/").next().unwrap_or(url);
    let mut parts = url.rsplit('/').skip(1);
    parts
        .next()
        .and_then(known)
        .or_else(|| known(reference.r#type.as_deref()?))
}
