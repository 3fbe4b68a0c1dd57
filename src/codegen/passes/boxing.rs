//! Boxes the fields through which a struct would contain itself. Lists and
//! choices are on the heap already, so only single fields of struct type count.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Element, Model, TypeKind};

/// Sets [`Element::boxed`] on the fields that close a cycle.
pub(super) fn run(model: &mut Model) {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // In the order of the map, so that the same field is boxed at every build.
    for (path, r#type) in &mut model.types {
        for element in &mut r#type.elements {
            let Some(target) = inline_target(element).map(str::to_owned) else {
                continue;
            };
            if reaches(&edges, &target, path) {
                element.boxed = true;
            } else {
                edges.entry(path.clone()).or_default().insert(target);
            }
        }
    }
}

/// The struct that the field holds in place.
fn inline_target(element: &Element) -> Option<&str> {
    match element.types.as_slice() {
        [only] if only.kind == TypeKind::Object && !element.cardinality.many && !element.choice => {
            Some(&only.code)
        }
        _ => None,
    }
}

fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(edges.get(at).into_iter().flatten().map(String::as_str));
        }
    }
    false
}
