//! Lowering: the parsed definitions become the [`ir`](super::ir).

mod constraints;
mod profiles;
mod repeated;
mod search;
mod terminology;

pub use profiles::profiles;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error,
    ir::{
        Binding, Cardinality, Code, CodeSet, Counts, Element, Kind, Model, TypeDef, TypeKind,
        TypeRef,
    },
    parse::{self, Definitions, Structure},
};

/// Lowers all definitions.
pub fn lower(definitions: &Definitions) -> Result<Model, Error> {
    let mut model = Model {
        code_sets: code_sets(definitions),
        ..Model::default()
    };
    let mut required: BTreeSet<&str> = BTreeSet::new();
    for structure in &definitions.structures {
        if structure.derivation.as_deref() == Some("constraint") {
            continue; // SimpleQuantity and MoneyQuantity are profiles.
        }
        match structure.kind.as_str() {
            "primitive-type" => {
                model.primitives.insert(structure.name.clone());
                model.counts.primitives += 1;
            }
            "complex-type" | "resource" => {
                count(structure, &mut model.counts, &mut required);
                if !structure.is_abstract || structure.name == "Element" {
                    structs(structure, &mut model)?;
                }
            }
            kind => return Err(Error::new(&structure.url, format!("unknown kind {kind}"))),
        }
    }
    model.code_systems = terminology::code_systems(definitions);
    model.value_sets = terminology::value_sets(definitions)?;
    model.resources.sort();
    model.counts.required_value_sets = required.len();
    for parameter in &definitions.search_parameters {
        model.search_parameters.push(search::parameter(parameter)?);
    }
    model.counts.search_parameters = model.search_parameters.len();
    model
        .search_parameters
        .sort_by(|a, b| (&a.code, &a.url).cmp(&(&b.code, &b.url)));
    resolve_kinds(&mut model)?;
    constraints::lower(definitions, &mut model)?;
    Ok(model)
}

fn code_sets(definitions: &Definitions) -> BTreeMap<String, CodeSet> {
    let closed = definitions
        .value_sets
        .iter()
        .filter(|value_set| value_set.closed);
    closed
        .map(|value_set| {
            let mut seen = BTreeSet::new();
            let codes = value_set
                .systems
                .values()
                .filter_map(serde_json::Value::as_array)
                .flatten();
            let codes = codes
                .filter_map(serde_json::Value::as_str)
                .filter(|code| seen.insert(*code))
                .map(|code| Code {
                    code: code.to_owned(),
                    variant: String::new(),
                })
                .collect();
            let set = CodeSet {
                url: value_set.url.clone(),
                title: value_set
                    .title
                    .clone()
                    .unwrap_or_else(|| value_set.name.clone()),
                rust: String::new(),
                codes,
            };
            (value_set.url.clone(), set)
        })
        .collect()
}

/// Counts the elements of a snapshot, the root left out.
fn count<'a>(structure: &'a Structure, counts: &mut Counts, required: &mut BTreeSet<&'a str>) {
    match (structure.is_abstract, structure.kind.as_str()) {
        (true, _) => counts.abstract_types += 1,
        (false, "resource") => counts.resources += 1,
        (false, _) => counts.complex_types += 1,
    }
    let paths: Vec<&str> = structure
        .elements
        .iter()
        .map(|element| element.path.as_str())
        .collect();
    for element in structure.elements.iter().skip(1) {
        counts.elements += 1;
        let prefix = format!("{}.", element.path);
        counts.parents += usize::from(paths.iter().any(|path| path.starts_with(&prefix)));
        counts.choices += usize::from(element.path.ends_with("[x]"));
        if let Some(binding) = &element.binding
            && binding.strength == "required"
        {
            counts.required_bindings += 1;
            required.insert(without_version(
                binding.value_set.as_deref().unwrap_or_default(),
            ));
        }
    }
}

fn without_version(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

/// The struct of a StructureDefinition and those of its backbone elements.
fn structs(structure: &Structure, model: &mut Model) -> Result<(), Error> {
    let parents: BTreeSet<&str> = structure
        .elements
        .iter()
        .filter_map(|element| element.path.rsplit_once('.').map(|(parent, _)| parent))
        .collect();
    for (index, element) in structure.elements.iter().enumerate() {
        let root = index == 0;
        if root || parents.contains(element.path.as_str()) {
            let kind = match (root, structure.kind.as_str()) {
                (true, "resource") => Kind::Resource,
                (true, _) => Kind::ComplexType,
                (false, _) => Kind::Backbone,
            };
            model.types.insert(
                element.path.clone(),
                TypeDef {
                    path: element.path.clone(),
                    rust: String::new(),
                    kind,
                    short: one_line(&element.short),
                    binding: if root { binding(element) } else { None },
                    elements: Vec::new(),
                    constraints: Vec::new(),
                },
            );
        }
        if root {
            if structure.kind == "resource" {
                model.resources.push(structure.name.clone());
            }
            continue;
        }
        let Some((parent, name)) = element.path.rsplit_once('.') else {
            return Err(Error::new(&element.path, "an element without a parent"));
        };
        let lowered = lower_element(
            element,
            name,
            parents.contains(element.path.as_str()),
            model,
        )?;
        match model.types.get_mut(parent) {
            Some(parent) => parent.elements.push(lowered),
            None => return Err(Error::new(&element.path, "its parent comes after it")),
        }
    }
    Ok(())
}

fn lower_element(
    element: &parse::Element,
    name: &str,
    has_children: bool,
    model: &Model,
) -> Result<Element, Error> {
    let cardinality = match (element.min, element.max.as_str()) {
        (min @ (0 | 1), max @ ("1" | "*")) => Cardinality {
            min: min as u8,
            many: max == "*",
        },
        (min, max) => {
            return Err(Error::new(
                &element.path,
                format!("the cardinality {min}..{max} is new"),
            ));
        }
    };
    let base_name = name.strip_suffix("[x]");
    let choice = base_name.is_some();
    if choice && cardinality.many {
        return Err(Error::new(&element.path, "a choice element that repeats"));
    }
    if !choice && element.types.len() > 1 {
        return Err(Error::new(&element.path, "several types without [x]"));
    }
    let binding = binding(element);
    let object = |path: &str| TypeRef {
        code: path.to_owned(),
        targets: Vec::new(),
        kind: TypeKind::Object,
    };
    let types = if let Some(reference) = &element.content_reference {
        vec![object(reference.trim_start_matches('#'))]
    } else if has_children {
        vec![object(&element.path)]
    } else if element.types.is_empty() {
        return Err(Error::new(
            &element.path,
            "neither a type, nor children, nor a content reference",
        ));
    } else {
        element
            .types
            .iter()
            .map(|r#type| type_ref(r#type, binding.as_ref(), model))
            .collect()
    };
    Ok(Element {
        name: base_name.unwrap_or(name).to_owned(),
        field: String::new(),
        short: one_line(&element.short),
        cardinality,
        types,
        choice,
        choice_enum: String::new(),
        binding,
        is_modifier: element.is_modifier,
        is_summary: element.is_summary,
        constraints: Vec::new(),
        boxed: false,
    })
}

fn binding(element: &parse::Element) -> Option<Binding> {
    let binding = element.binding.as_ref()?;
    Some(Binding {
        strength: binding.strength.clone(),
        value_set: without_version(binding.value_set.as_deref()?).to_owned(),
        max_value_set: binding
            .max_value_set
            .as_deref()
            .map(|url| without_version(url).to_owned()),
    })
}

/// The kind is settled by [`resolve_kinds`], when all types are known.
fn type_ref(r#type: &parse::ElementType, binding: Option<&Binding>, model: &Model) -> TypeRef {
    let closed = binding
        .filter(|binding| binding.strength == "required" && r#type.code == "code")
        .filter(|binding| model.code_sets.contains_key(&binding.value_set));
    let kind = closed.map_or(TypeKind::Object, |binding| {
        TypeKind::Code(binding.value_set.clone())
    });
    TypeRef {
        code: r#type.code.clone(),
        targets: r#type.targets.clone(),
        kind,
    }
}

fn resolve_kinds(model: &mut Model) -> Result<(), Error> {
    let known: BTreeSet<String> = model.types.keys().cloned().collect();
    for r#type in model.types.values_mut() {
        for element in &mut r#type.elements {
            for reference in &mut element.types {
                if matches!(reference.kind, TypeKind::Code(_)) {
                    continue;
                }
                reference.kind = if model.primitives.contains(&reference.code) {
                    TypeKind::Primitive
                } else if reference.code == "Resource" {
                    TypeKind::Resource
                } else if known.contains(&reference.code) {
                    TypeKind::Object
                } else {
                    let subject = format!("{}.{}", r#type.path, element.name);
                    return Err(Error::new(
                        subject,
                        format!("the type {} is not defined", reference.code),
                    ));
                };
            }
        }
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
