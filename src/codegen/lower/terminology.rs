//! Lowering of code systems and value sets.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        Error,
        ir::{CodeSystem, Part, ValueSet, code_key},
        parse::{self, Definitions},
    },
    without_version,
};

pub(super) fn code_systems(definitions: &Definitions) -> BTreeMap<String, CodeSystem> {
    let system = |parsed: &parse::CodeSystem| {
        let mut system = CodeSystem {
            complete: parsed.content == "complete",
            case_sensitive: parsed.case_sensitive,
            concepts: BTreeMap::new(),
        };
        add_concepts(&parsed.concepts, None, &mut system);
        (parsed.url.clone(), system)
    };
    definitions.code_systems.iter().map(system).collect()
}

fn add_concepts(list: &[parse::Concept], parent: Option<&str>, system: &mut CodeSystem) {
    for parsed in list {
        let concept = system.concepts.entry(code_key(&parsed.code)).or_default();
        concept.display.clone_from(&parsed.display);
        concept.is_abstract = parsed.is_abstract;
        concept.is_inactive = parsed.is_inactive;
        concept.parents.extend(parent.map(str::to_owned));
        for child in &parsed.other_children {
            let child = system.concepts.entry(code_key(child)).or_default();
            child.parents.insert(parsed.code.clone());
        }
        add_concepts(&parsed.children, Some(&parsed.code), system);
    }
}

pub(super) fn value_sets(definitions: &Definitions) -> Result<BTreeMap<String, ValueSet>, Error> {
    let known: BTreeSet<&str> = definitions
        .code_systems
        .iter()
        .map(|system| system.url.as_str())
        .collect();
    let closed: BTreeMap<&str, &parse::ValueSet> = definitions
        .value_sets
        .iter()
        .filter(|value_set| value_set.closed)
        .map(|value_set| (value_set.url.as_str(), value_set))
        .collect();
    let mut lowered = BTreeMap::new();
    for composed in &definitions.composed_value_sets {
        let parts = |list: &[parse::Part]| {
            list.iter()
                .map(|parsed| part(&composed.url, parsed))
                .collect::<Result<Vec<_>, Error>>()
        };
        let mut value_set = ValueSet {
            include: parts(&composed.include)?,
            exclude: parts(&composed.exclude)?,
        };
        // Of a system that is not part of the specification, as currencies are,
        // the expansion may tell the codes.
        if let Some(expanded) = closed.get(composed.url.as_str()) {
            for part in &mut value_set.include {
                if let Part::System(url) = part
                    && !known.contains(url.as_str())
                    && let Some(codes) = expanded.systems.get(url.as_str())
                {
                    let codes = codes.as_array().into_iter().flatten();
                    let codes = codes.filter_map(serde_json::Value::as_str);
                    *part = Part::Concepts(url.clone(), codes.map(code_key).collect());
                }
            }
        }
        lowered.insert(composed.url.clone(), value_set);
    }
    Ok(lowered)
}

fn part(subject: &str, parsed: &parse::Part) -> Result<Part, Error> {
    let (concepts, filters, sets) = (&parsed.concept, &parsed.filter, &parsed.value_set);
    let urls = || sets.iter().map(|url| without_version(url).to_owned());
    match (&parsed.system, concepts.len(), filters.len(), sets.len()) {
        (Some(system), 0, 0, 0) => Ok(Part::System(system.clone())),
        (Some(system), 1.., 0, 0) => Ok(Part::Concepts(
            system.clone(),
            concepts.iter().map(|code| code_key(code)).collect(),
        )),
        (Some(system), 0, 1.., 0) => {
            let filters = filters.iter().map(|filter| {
                let filter = filter.clone();
                (filter.property, filter.op, filter.value)
            });
            Ok(Part::Filters(system.clone(), filters.collect()))
        }
        (None, 0, 0, 1..) => Ok(Part::ValueSets(urls().collect())),
        _ => Err(Error::new(
            subject,
            "a part that mixes concepts, filters and value sets",
        )),
    }
}
