//! Structs and choice enums.

use super::{
    super::{
        Error,
        ir::{Binding, Element, Model, TypeDef, TypeKind, TypeRef},
        naming,
    },
    HEADER, primitive_type,
    writer::Writer,
};

/// The file of a definition: its struct and those of its backbone elements.
pub(super) fn emit(model: &Model, paths: &[&str]) -> Result<Writer, Error> {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    for path in paths {
        let Some(r#type) = model.types.get(*path) else {
            continue;
        };
        writer.line("");
        emit_struct(r#type, model, &mut writer)?;
        emit_object(r#type, model, &mut writer);
        for element in r#type.elements.iter().filter(|element| element.choice) {
            emit_choice(r#type, element, model, &mut writer)?;
        }
    }
    Ok(writer)
}

fn emit_struct(r#type: &TypeDef, model: &Model, writer: &mut Writer) -> Result<(), Error> {
    writer.doc(if r#type.short.is_empty() {
        &r#type.path
    } else {
        &r#type.short
    });
    let mut fields = Vec::new();
    for element in &r#type.elements {
        fields.push((element, field_type(element, model)?));
    }
    writer.block(&format!("pub struct {} {{", r#type.rust), "}", |writer| {
        for (element, field) in fields {
            writer.doc(&field_doc(element));
            writer.line(&format!("pub {}: {field},", element.field));
        }
    });
    Ok(())
}

/// The short text, the cardinality, the types where the field does not show
/// them, the binding.
fn field_doc(element: &Element) -> String {
    let max = if element.cardinality.many { "*" } else { "1" };
    let mut doc = format!(
        "{} ({}..{max})",
        element.short.trim_end_matches('.'),
        element.cardinality.min
    );
    let targets: Vec<&str> = element
        .types
        .iter()
        .flat_map(|r#type| &r#type.targets)
        .map(String::as_str)
        .collect();
    if !targets.is_empty() {
        doc += &format!("; to {}", targets.join(" | "));
    }
    if let Some(Binding {
        strength,
        value_set,
        ..
    }) = &element.binding
    {
        doc += &format!("; {strength} binding: <{value_set}>");
    }
    doc
}

fn field_type(element: &Element, model: &Model) -> Result<String, Error> {
    if element.choice {
        return Ok(format!("Option<{}>", element.choice_enum));
    }
    let [only] = element.types.as_slice() else {
        return Err(Error::new(
            &element.name,
            "an element that is no choice has one type",
        ));
    };
    let (value, primitive) = value_type(only, model)?;
    Ok(match (primitive, element.cardinality.many) {
        (_, true) => format!("Vec<{value}>"),
        (true, false) => value,
        (false, false) if element.boxed => format!("Option<Box<{value}>>"),
        (false, false) => format!("Option<{value}>"),
    })
}

/// The Rust type of one value, and whether it is a primitive element.
fn value_type(r#type: &TypeRef, model: &Model) -> Result<(String, bool), Error> {
    Ok(match &r#type.kind {
        TypeKind::Primitive => (
            format!("Primitive<{}>", primitive_type(&r#type.code)?),
            true,
        ),
        TypeKind::Code(value_set) => match model.code_sets.get(value_set) {
            Some(set) => (format!("Primitive<codes::{}>", set.rust), true),
            None => return Err(Error::new(value_set, "a closed value set without codes")),
        },
        TypeKind::Object => match model.types.get(&r#type.code) {
            Some(target) => (target.rust.clone(), false),
            None => return Err(Error::new(&r#type.code, "a type without a struct")),
        },
        TypeKind::Resource => ("Resource".to_owned(), false),
    })
}

fn emit_object(r#type: &TypeDef, model: &Model, writer: &mut Writer) {
    let index = model.types.keys().position(|path| *path == r#type.path);
    let fields: Vec<&str> = r#type
        .elements
        .iter()
        .map(|element| element.field.as_str())
        .collect();
    let Some((last, others)) = fields.split_last() else {
        return;
    };
    let others: Vec<String> = others
        .iter()
        .enumerate()
        .map(|(index, field)| format!("{index} {field}"))
        .collect();
    writer.line(&format!(
        "object! {{ {} = {} {{ {} ; {last} }} }}",
        r#type.rust,
        index.unwrap_or_default(),
        others.join(" ")
    ));
}

fn emit_choice(
    r#type: &TypeDef,
    element: &Element,
    model: &Model,
    writer: &mut Writer,
) -> Result<(), Error> {
    let mut variants = Vec::new();
    for reference in &element.types {
        let (value, primitive) = value_type(reference, model)?;
        let value = if primitive {
            value
        } else {
            format!("Box<{value}>")
        };
        variants.push((naming::capitalised(&reference.code), value, &reference.code));
    }
    writer.line("");
    writer.doc(&format!(
        "`{}.{}[x]`: {}",
        r#type.path, element.name, element.short
    ));
    writer.line("#[derive(Clone)]");
    writer.block(
        &format!("pub enum {} {{", element.choice_enum),
        "}",
        |writer| {
            for (variant, value, code) in &variants {
                writer.doc(code);
                writer.line(&format!("{variant}({value}),"));
            }
        },
    );
    let list: Vec<String> = variants
        .iter()
        .enumerate()
        .map(|(index, (variant, ..))| format!("{index} {variant}"))
        .collect();
    writer.line(&format!(
        "choice! {{ {} {{ {} }} }}",
        element.choice_enum,
        list.join(" ")
    ));
    Ok(())
}
