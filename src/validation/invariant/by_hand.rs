//! Constraints that are not compiled, each with its reason: a function for
//! each, which says whether it holds.

use std::{borrow::Cow, collections::HashSet};

use super::{
    super::fhirpath::number::Number,
    Failed, compiled,
    support::{Distinct, text},
};
use crate::model::{
    Bundle, CareTeamParticipant, ChargeItemDefinition, CodeSystem, CodeSystemConcept, Condition,
    ElementDefinition, Observation, Quantity, Questionnaire, QuestionnaireItem, Range,
    StructureDefinition, TimingRepeat,
    object::{Node, Object, PrimitiveNode},
    primitive::{Primitive, PrimitiveType},
};

fn str_of<T: PrimitiveType>(primitive: &Primitive<T>) -> Cow<'_, str> {
    primitive.value.as_ref().map_or(Cow::Borrowed(""), T::text)
}

/// The element `meta.versionId` is of a resource of any type.
pub(super) fn bdl_7(it: &Bundle) -> bool {
    if str_of(&it.r#type) == "history" {
        return true;
    }
    let mut seen: HashSet<(Cow<'_, str>, Option<Cow<'_, str>>)> =
        HashSet::with_capacity(it.entry.len());
    it.entry.iter().all(|entry| {
        let version = entry.resource.as_ref().and_then(|resource| {
            let meta = first_object(resource.as_object(), "meta")?;
            first_text(meta, "versionId")
        });
        let url = str_of(&entry.full_url);
        url.is_empty() || seen.insert((url, version))
    })
}

/// ChargeItemDefinition has no name: what is asked of it is empty, and holds.
pub(super) fn cid_0(_: &ChargeItemDefinition) -> bool {
    true
}

/// As published it compares a CodeableConcept with a string, so that it would
/// fail for every category; it means the code `problem-list-item`.
pub(super) fn con_3(it: &Condition) -> bool {
    let has = |concept: &crate::model::CodeableConcept, code: &str| {
        concept
            .coding
            .iter()
            .any(|coding| str_of(&coding.code) == code)
    };
    it.clinical_status.is_some()
        || it
            .verification_status
            .iter()
            .any(|status| has(status, "entered-in-error"))
        || !it
            .category
            .iter()
            .any(|category| has(category, "problem-list-item"))
}

/// All descendants: as published in quadratic time.
pub(super) fn csd_1(it: &CodeSystem) -> bool {
    fn add<'a>(concepts: &'a [CodeSystemConcept], seen: &mut Distinct<'a>) {
        for concept in concepts {
            seen.add(text(&concept.code));
            add(&concept.concept, seen);
        }
    }
    let mut seen = Distinct::default();
    add(&it.concept, &mut seen);
    seen.holds()
}

/// It resolves a reference: here what the reference says of its target.
pub(super) fn ctm_1(it: &CareTeamParticipant) -> bool {
    let Some(member) = it.member.as_ref().filter(|_| it.on_behalf_of.is_some()) else {
        return true;
    };
    let named = str_of(&member.r#type);
    let reference = str_of(&member.reference);
    let target = match named.is_empty() {
        true => reference.rsplit('/').nth(1).unwrap_or_default(),
        false => &named,
    };
    target == "Practitioner" || !crate::model::RESOURCE_TYPES.contains(&target)
}

/// It compares codings as a whole (`intersect`).
pub(super) fn obs_7(it: &Observation) -> bool {
    let (Some(_), Some(code)) = (&it.value, &it.code) else {
        return true;
    };
    let mut codings = it
        .component
        .iter()
        .filter_map(|component| component.code.as_ref());
    !codings.any(|other| {
        other
            .coding
            .iter()
            .any(|coding| code.coding.contains(coding))
    })
}

/// All descendants: as published in quadratic time.
pub(super) fn que_2(it: &Questionnaire) -> bool {
    fn add<'a>(items: &'a [QuestionnaireItem], seen: &mut Distinct<'a>) {
        for item in items {
            seen.add(text(&item.link_id));
            add(&item.item, seen);
        }
    }
    let mut seen = Distinct::default();
    add(&it.item, &mut seen);
    seen.holds()
}

/// Quantities are compared where their units are the same; where they are not,
/// the order is open, and it holds.
pub(super) fn rng_2(it: &Range) -> bool {
    let (Some(low), Some(high)) = (&it.low, &it.high) else {
        return true;
    };
    let unit = |quantity: &'_ Quantity| {
        let code = str_of(&quantity.code).into_owned();
        let system = str_of(&quantity.system).into_owned();
        let unit = str_of(&quantity.unit).into_owned();
        (system, code, unit)
    };
    let value = |quantity: &Quantity| Number::parse(&str_of(&quantity.value));
    match (value(low), value(high)) {
        (Some(a), Some(b)) if a.compare(b).is_gt() => {
            let ((system, code, unit_low), (other_system, other_code, unit_high)) =
                (unit(low), unit(high));
            let same = match code.is_empty() && other_code.is_empty() {
                true => unit_low == unit_high || unit_low.is_empty() || unit_high.is_empty(),
                false => code == other_code && system == other_system,
            };
            !same
        }
        _ => true,
    }
}

/// `sdf-8` and `sdf-8a` stand at the snapshot and at the differential, and ask
/// for the type and the kind of the StructureDefinition.
pub(super) fn paths(it: &StructureDefinition, failed: &mut Failed) {
    let logical = str_of(&it.kind) == "logical";
    let r#type = str_of(&it.r#type);
    if let Some((root, rest)) = it
        .snapshot
        .as_ref()
        .and_then(|list| list.element.split_first())
    {
        let root = str_of(&root.path);
        if !(logical || root == r#type) || !rest.iter().all(|element| is_below(element, &root)) {
            failed.add_below(compiled::SDF_8, "snapshot", None);
        }
    }
    if let Some((root, rest)) = it
        .differential
        .as_ref()
        .and_then(|list| list.element.split_first())
    {
        let path = str_of(&root.path);
        let root = path.split('.').next().unwrap_or_default();
        if !(logical || path.starts_with(&*r#type))
            || !rest.iter().all(|element| is_below(element, root))
        {
            failed.add_below(compiled::SDF_8A, "differential", None);
        }
    }
}

fn is_below(element: &ElementDefinition, root: &str) -> bool {
    let path = str_of(&element.path);
    path.strip_prefix(root)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// `children().element` are those of the snapshot and of the differential.
pub(super) fn sdf_9(it: &StructureDefinition) -> bool {
    let snapshot = it.snapshot.iter().flat_map(|snapshot| &snapshot.element);
    let differential = it
        .differential
        .iter()
        .flat_map(|differential| &differential.element);
    let plain = |element: &ElementDefinition| {
        element.label.is_absent() && element.code.is_empty() && element.requirements.is_absent()
    };
    snapshot
        .chain(differential)
        .all(|element| str_of(&element.path).contains('.') || plain(element))
}

/// As published it is an error when there are several `when`; each must be no
/// meal.
pub(super) fn tim_9(it: &TimingRepeat) -> bool {
    let meal = |when: &dyn PrimitiveNode| {
        when.text()
            .is_some_and(|text| matches!(&*text, "C" | "CM" | "CD" | "CV"))
    };
    it.offset.is_absent() || !it.when.is_empty() && !it.when.iter().any(|when| meal(when))
}

pub(super) fn first_object<'a>(object: &'a dyn Object, name: &str) -> Option<&'a dyn Object> {
    match object.get(name)?.get(0) {
        Node::Object(object) => Some(object),
        _ => None,
    }
}

pub(super) fn first_text<'a>(object: &'a dyn Object, name: &str) -> Option<Cow<'a, str>> {
    match object.get(name)?.get(0) {
        Node::Primitive(primitive) => primitive.text(),
        _ => None,
    }
}
