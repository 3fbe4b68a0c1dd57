//! Constraints: which type or element has which, and their trees.

use crate::fhirpath;

use super::super::{
    Error,
    ir::{Constraint, Model},
    parse::{self, Definitions, Structure},
};

/// What is checked elsewhere: `ele-1` and the narrative by the reader; `dom-…`,
/// `ref-1`, `sdf-8` and `sdf-8a`, which need the whole resource, by hand.
const ELSEWHERE: &[&str] = &[
    "ele-1", "txt-1", "txt-2", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "sdf-8",
    "sdf-8a",
];

/// Gives each type and element its constraints.
pub(super) fn lower(definitions: &Definitions, model: &mut Model) -> Result<(), Error> {
    for constraint in &definitions.constraints {
        // Only its text is asked for.
        if ELSEWHERE.contains(&constraint.key.as_str()) && !constraint.key.starts_with("txt") {
            let index = add(constraint, model, None)?;
            if constraint.key == "ele-1" {
                note(index, "Element", model);
            }
        }
    }
    for structure in &definitions.structures {
        if structure.derivation.as_deref() == Some("constraint")
            || structure.kind == "primitive-type"
        {
            continue;
        }
        for element in &structure.elements {
            for key in &element.constraint {
                attach(key, element, structure, definitions, model)?;
            }
        }
        if structure.name == "Extension"
            && let Some(root) = structure.elements.first()
        {
            attach("ext-1", root, structure, definitions, model)?;
        }
    }
    Ok(())
}

fn attach(
    key: &str,
    element: &parse::Element,
    structure: &Structure,
    definitions: &Definitions,
    model: &mut Model,
) -> Result<(), Error> {
    if ELSEWHERE.contains(&key) {
        let known = model.constraints.iter().position(|known| known.key == key);
        // Every resource repeats those of DomainResource.
        if let Some(index) = known
            && (structure.is_abstract || !key.starts_with("dom-"))
        {
            note(index, &element.path, model);
        }
        return Ok(());
    }
    let means = |constraint: &&parse::Constraint| {
        constraint.key == key
            && (constraint.structures.is_empty() || constraint.structures.contains(&structure.name))
    };
    let Some(constraint) = definitions.constraints.iter().find(means) else {
        return Err(Error::new(
            &element.path,
            format!("the constraint {key} is not defined"),
        ));
    };
    let of = (!constraint.structures.is_empty()).then_some(structure.name.as_str());
    let index = add(constraint, model, of)?;
    note(index, &element.path, model);
    if let Some(r#type) = model.types.get_mut(&element.path) {
        r#type.constraints.push(index);
        return Ok(());
    }
    if let Some(reference) = &element.content_reference {
        return same_as_referred(
            constraint,
            reference.trim_start_matches('#'),
            element,
            model,
        );
    }
    let (parent, name) = element.path.rsplit_once('.').unwrap_or_default();
    let name = name.trim_end_matches("[x]");
    let found = model.types.get_mut(parent).and_then(|parent| {
        parent
            .elements
            .iter_mut()
            .find(|element| element.name == name)
    });
    match found {
        Some(element) => element.constraints.push(index),
        // The abstract types have no struct.
        None if structure.is_abstract => {}
        None => {
            return Err(Error::new(
                &element.path,
                "a constraint on what is no element",
            ));
        }
    }
    Ok(())
}

/// Notes that a type or an element has a constraint.
fn note(index: usize, path: &str, model: &mut Model) {
    if let Some(constraint) = model.constraints.get_mut(index)
        && !constraint.on.iter().any(|known| known == path)
    {
        constraint.on.push(path.to_owned());
    }
}

/// An element that refers to another has the constraints of that one, under
/// keys of its own: `validation::invariant` tells them apart.
fn same_as_referred(
    constraint: &parse::Constraint,
    path: &str,
    element: &parse::Element,
    model: &Model,
) -> Result<(), Error> {
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let referred = model
        .types
        .get(path)
        .into_iter()
        .flat_map(|r#type| &r#type.constraints);
    let mut same = referred.filter_map(|&index| model.constraints.get(index));
    match same.any(|other| words(&other.expression) == words(&constraint.expression)) {
        true => Ok(()),
        false => Err(Error::new(
            &element.path,
            format!("the constraint {} is not one of {path}", constraint.key),
        )),
    }
}

/// The index of a constraint in the model.
fn add(
    constraint: &parse::Constraint,
    model: &mut Model,
    structure: Option<&str>,
) -> Result<usize, Error> {
    let known = model
        .constraints
        .iter()
        .position(|known| known.key == constraint.key && known.structure.as_deref() == structure);
    if let Some(index) = known {
        return Ok(index);
    }
    let tree = fhirpath::parse(&constraint.expression).map_err(|error| {
        Error::new(
            &constraint.key,
            format!("`{}`: {error}", constraint.expression),
        )
    })?;
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    model.constraints.push(Constraint {
        key: constraint.key.clone(),
        structure: structure.map(str::to_owned),
        on: Vec::new(),
        severity: constraint.severity.clone(),
        best_practice: constraint.best_practice,
        human: one_line(&constraint.human),
        expression: one_line(&constraint.expression),
        tree,
    });
    Ok(model.constraints.len() - 1)
}
