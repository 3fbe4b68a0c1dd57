//! What a reference of a profile may point to
//! ([targetProfile](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.targetProfile)).

use std::sync::Arc;

use super::{
    definition::Target,
    place::Place,
    registry::Registry,
    walk::{Value, Walk, values},
};
use crate::model::{
    self, Reference, Resource,
    definition::Kind,
    object::{Node, Object},
};

/// What a reference points to instead of one of the targets; `None` where it
/// fits or where that cannot be known.
pub(super) fn mismatch(
    walk: &Walk<'_>,
    targets: &Arc<[Target]>,
    value: Value<'_>,
    place: &Place<'_>,
) -> Option<String> {
    let Node::Object(object) = value.node else {
        return None;
    };
    let reference = object.as_any().downcast_ref::<Reference>()?;
    let target = target(reference, walk.subject.resource);
    let of_base = value.element?.types.get(value.variant)?.targets;
    let type_name = type_name(reference, target);
    if target.is_none()
        && let Some(waiting) = walk.subject.waiting
        && type_name.is_none_or(|name| needs_target(walk, targets, name))
    {
        waiting.push(reference, of_base, targets, &walk.profile, place);
    }
    let type_name = type_name?;
    // A type that the base type does not allow is an issue of the base.
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
            .any(|target| of_type(walk.subject.registry, target, type_name))
        {
            true => format!("a {type_name} without what the profile asks for"),
            false => format!("a {type_name}"),
        },
    )
}

/// Whether no type among the targets tells that a reference to this one fits: it
/// takes a profile, and the resource that is to have it.
fn needs_target(walk: &Walk<'_>, targets: &[Target], type_name: &str) -> bool {
    let any = |target: &Target| matches!(target, Target::Type(name) if [type_name, "Resource"].contains(name));
    !targets.iter().any(any)
        && targets
            .iter()
            .any(|target| of_type(walk.subject.registry, target, type_name))
}

/// Whether a target is a type, or a profile of it.
pub(super) fn of_type(registry: &Registry, target: &Target, type_name: &str) -> bool {
    match target {
        Target::Type(name) => *name == type_name,
        Target::Profile(url) => matches!(registry.profile(url),
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
