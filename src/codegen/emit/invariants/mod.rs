//! The constraints as Rust over the typed model: a function for each type that
//! has some, and their texts in a table.

mod path;
mod short;
mod truth;

use super::{
    super::{
        Error, GeneratedFile,
        ir::{Constraint, Element, Model, TypeDef, TypeKind},
        naming,
    },
    HEADER, refuse_separators,
    writer::Writer,
};
use path::{Compiler, Item, Scope, Type};

/// Constraints that are written by hand, in `validation::invariant::by_hand`,
/// as a function of the value that says whether they hold. The reasons are
/// there.
const BY_HAND: &[&str] = &[
    "bdl-7", "cid-0", "con-3", "csd-1", "ctm-1", "obs-7", "que-2", "rng-2", "sdf-9", "tim-9",
];

/// The functions, and the texts: key, severity, whether it is but good
/// practice, what it asks for in words and in FHIRPath, and the types and
/// elements that have it with spaces between them, a line each.
pub(super) fn emit(model: &Model) -> Result<[GeneratedFile; 2], Error> {
    let mut writer = Writer::new();
    writer.line(HEADER);
    let mut text = String::new();
    for (index, constraint) in model.constraints.iter().enumerate() {
        push_constraint(constraint, &mut text)?;
        writer.line(&format!(
            "pub(super) const {}: u16 = {index};",
            constant(constraint)
        ));
    }
    writer.line("");
    let types: Vec<(usize, &TypeDef)> = model
        .types
        .values()
        .enumerate()
        .filter(|(_, r#type)| {
            let elements = &r#type.elements;
            !r#type.constraints.is_empty()
                || elements
                    .iter()
                    .any(|element| !element.constraints.is_empty())
        })
        .collect();
    writer.block(
        "pub(super) fn check(index: u16, object: &dyn Object, failed: &mut Failed) {",
        "}",
        |writer| {
            writer.block("match index {", "}", |writer| {
                for (index, r#type) in &types {
                    let name = &r#type.rust;
                    writer.line(&format!(
                        "{index} => if let Some(it) = object.as_any().downcast_ref::<{name}>() {{ check_{index}(it, failed) }},"
                    ));
                }
                writer.line("_ => {}");
            });
        },
    );
    for (index, r#type) in types {
        emit_type(index, r#type, model, &mut writer)?;
    }
    Ok([
        super::file("invariants.rs", writer),
        GeneratedFile {
            name: "constraints.txt".to_owned(),
            text,
        },
    ])
}

fn push_constraint(constraint: &Constraint, text: &mut String) -> Result<(), Error> {
    let best_practice = if constraint.best_practice { "best" } else { "" };
    let fields = [
        constraint.key.as_str(),
        &constraint.severity,
        best_practice,
        &constraint.human,
        &constraint.expression,
        &constraint.on.join(" "),
    ];
    for field in fields {
        refuse_separators(&constraint.key, field, &['\t', '\n', '\r'])?;
    }
    *text += &fields.join("\t");
    text.push('\n');
    Ok(())
}

/// `OBS_3`; of those keys that have several meanings with the structure.
fn constant(constraint: &Constraint) -> String {
    let structure = constraint.structure.as_deref().unwrap_or_default();
    let name = match structure {
        "" => constraint.key.clone(),
        _ => format!("{}-{}", constraint.key, naming::constant_name(structure)),
    };
    name.replace('-', "_").to_uppercase()
}

fn emit_type(
    index: usize,
    r#type: &TypeDef,
    model: &Model,
    writer: &mut Writer,
) -> Result<(), Error> {
    let root = Item {
        rust: "it".to_owned(),
        of: Type::Object(r#type),
        many: false,
    };
    let mut lines = Vec::new();
    for constraint in constraints(&r#type.constraints, model) {
        let test = condition(constraint, &root, model, &r#type.path)?;
        lines.push(format!(
            "if {test} {{ failed.add({}); }}",
            constant(constraint)
        ));
    }
    for element in &r#type.elements {
        for constraint in constraints(&element.constraints, model) {
            lines.push(element_line(constraint, element, r#type, model)?);
        }
    }
    writer.line("");
    let head = format!(
        "fn check_{index}(it: &{}, failed: &mut Failed) {{",
        r#type.rust
    );
    writer.block(&head, "}", |writer| {
        for line in &lines {
            writer.line(line);
        }
    });
    Ok(())
}

fn constraints<'m>(
    indexes: &'m [usize],
    model: &'m Model,
) -> impl Iterator<Item = &'m Constraint> + 'm {
    indexes
        .iter()
        .filter_map(|&index| model.constraints.get(index))
}

/// The constraint of an element whose type is no backbone: checked where the
/// element is, for each of its values.
fn element_line(
    constraint: &Constraint,
    element: &Element,
    r#type: &TypeDef,
    model: &Model,
) -> Result<String, Error> {
    let path = format!("{}.{}", r#type.path, element.name);
    let of = match element.types.as_slice() {
        _ if element.choice => Type::Choice(element),
        [only] => match (&only.kind, model.types.get(&only.code)) {
            (TypeKind::Object, Some(target)) => Type::Object(target),
            (TypeKind::Resource, _) => Type::Resource,
            _ => Type::Primitive(&only.code),
        },
        _ => {
            return Err(Error::new(
                path,
                "a constraint on an element without a type",
            ));
        }
    };
    let item = Item {
        rust: "value".to_owned(),
        of,
        many: false,
    };
    let test = condition(constraint, &item, model, &path)?;
    let (field, name, constant) = (&element.field, &element.name, constant(constraint));
    Ok(match (of, element.cardinality.many) {
        (Type::Primitive(_), false) => format!(
            "let value = &it.{field}; if !value.is_absent() && {test} {{ failed.add_below({constant}, {name:?}, None); }}"
        ),
        (_, true) => format!(
            "for (index, value) in it.{field}.iter().enumerate() {{ if {test} {{ failed.add_below({constant}, {name:?}, Some(index)); }} }}"
        ),
        (_, false) => format!(
            "if let Some(value) = &it.{field} {{ if {test} {{ failed.add_below({constant}, {name:?}, None); }} }}"
        ),
    })
}

/// A Rust condition: the constraint does not hold.
fn condition(
    constraint: &Constraint,
    item: &Item<'_>,
    model: &Model,
    path: &str,
) -> Result<String, Error> {
    if BY_HAND.contains(&constraint.key.as_str()) {
        let function = constraint.key.replace('-', "_");
        return Ok(format!("!by_hand::{function}({})", item.rust));
    }
    let scope = Scope {
        this: item.clone(),
        context: item.clone(),
    };
    Compiler::new(model)
        .truth(&constraint.tree, false, &scope)
        .map_err(|reason| {
            let (key, expression) = (&constraint.key, &constraint.expression);
            Error::new(
                format!("{key} of {path}"),
                format!("`{expression}` cannot be compiled: {reason}; write it by hand"),
            )
        })
}
