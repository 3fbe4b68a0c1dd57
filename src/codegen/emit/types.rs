//! Structs, choice enums and their definition tables.

use std::collections::BTreeSet;

use super::{
    super::{
        Error,
        ir::{Binding, Element, Kind, Model, TypeDef, TypeKind, TypeRef},
        naming,
    },
    HEADER, primitive_type,
    writer::{Writer, literal, literals},
};

/// How many keys and elements the reader can keep track of.
const MAX_KEYS: usize = 256;
const MAX_ELEMENTS: usize = 128;

/// The flags of an element as one number; `ElementDef::new` takes them apart.
fn flags(element: &Element) -> u8 {
    let flags = [
        element.cardinality.min > 0,
        element.cardinality.many,
        element.choice,
        element.is_modifier,
        element.is_summary,
    ];
    flags
        .iter()
        .rev()
        .fold(0, |bits, flag| bits << 1 | u8::from(*flag))
}

/// One JSON property: name, element, variant, whether it is primitive.
struct Key {
    name: String,
    element: usize,
    variant: usize,
    primitive: bool,
}

/// The file of a definition: its struct and those of its backbone elements.
pub(super) fn emit(model: &Model, shared: &Shared, paths: &[&str]) -> Result<Writer, Error> {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    for path in paths {
        let Some(r#type) = model.types.get(*path) else {
            continue;
        };
        writer.line("");
        emit_struct(r#type, model, &mut writer)?;
        emit_object(r#type, &mut writer);
        emit_definition(r#type, shared, &mut writer)?;
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

fn emit_object(r#type: &TypeDef, writer: &mut Writer) {
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
        naming::constant_name(&r#type.path),
        others.join(" ")
    ));
}

fn keys(r#type: &TypeDef) -> Vec<Key> {
    let mut keys = Vec::new();
    for (index, element) in r#type.elements.iter().enumerate() {
        for (variant, reference) in element.types.iter().enumerate() {
            let suffix = if element.choice {
                naming::capitalised(&reference.code)
            } else {
                String::new()
            };
            keys.push(Key {
                name: format!("{}{suffix}", element.name),
                element: index,
                variant,
                primitive: matches!(reference.kind, TypeKind::Primitive | TypeKind::Code(_)),
            });
        }
    }
    keys
}

fn emit_definition(r#type: &TypeDef, shared: &Shared, writer: &mut Writer) -> Result<(), Error> {
    let keys = keys(r#type);
    if keys.len() > MAX_KEYS || r#type.elements.len() > MAX_ELEMENTS {
        return Err(Error::new(
            &r#type.path,
            "more elements than the reader keeps track of",
        ));
    }
    let mut sorted: Vec<usize> = (0..keys.len()).collect();
    sorted.sort_by_key(|&index| keys.get(index).map(|key| key.name.as_str()));
    let required = r#type
        .elements
        .iter()
        .enumerate()
        .filter(|(_, element)| element.cardinality.min > 0);
    let required: Vec<String> = required.map(|(index, _)| index.to_string()).collect();
    let sorted: Vec<String> = sorted.iter().map(usize::to_string).collect();
    let kind = match r#type.kind {
        Kind::Resource => "Resource",
        Kind::ComplexType => "ComplexType",
        Kind::Backbone => "Backbone",
    };
    let head = format!(
        "pub(in super::super) static {}: TypeDef = TypeDef {{",
        naming::constant_name(&r#type.path)
    );
    writer.block(&head, "};", |writer| {
        writer.line(&format!("name: {},", literal(&r#type.path)));
        writer.line(&format!("kind: Kind::{kind},"));
        writer.line(&format!("short: {},", literal(&r#type.short)));
        writer.block("elements: &[", "],", |writer| {
            for (index, element) in r#type.elements.iter().enumerate() {
                let first_key = keys
                    .iter()
                    .position(|key| key.element == index)
                    .unwrap_or_default();
                writer.line(&format!(
                    "E::new({}, {}, {}, &{}, {}, {first_key}),",
                    literal(&element.name),
                    literal(&element.short),
                    flags(element),
                    shared.types(&element.types),
                    shared.binding(element.binding.as_ref()),
                ));
            }
        });
        writer.block("keys: &[", "],", |writer| {
            for key in &keys {
                writer.line(&format!(
                    "K::new({:?}, {}, {}, {}),",
                    key.name, key.element, key.variant, key.primitive
                ));
            }
        });
        writer.line(&format!("sorted_keys: &[{}],", sorted.join(", ")));
        writer.line(&format!("required: &[{}],", required.join(", ")));
    });
    Ok(())
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

/// Type lists and bindings stand many times in the tables; each distinct one is
/// one static.
pub(super) struct Shared {
    types: Vec<Vec<TypeRef>>,
    bindings: Vec<Binding>,
}

impl Shared {
    pub(super) fn new(model: &Model) -> Self {
        let elements = || model.types.values().flat_map(|r#type| &r#type.elements);
        let types: BTreeSet<Vec<TypeRef>> =
            elements().map(|element| element.types.clone()).collect();
        let bindings: BTreeSet<Binding> = elements()
            .filter_map(|element| element.binding.clone())
            .collect();
        Self {
            types: types.into_iter().collect(),
            bindings: bindings.into_iter().collect(),
        }
    }

    fn types(&self, types: &[TypeRef]) -> String {
        let index = self
            .types
            .binary_search_by(|known| known.as_slice().cmp(types))
            .unwrap_or_default();
        format!("TYPES_{index}")
    }

    fn binding(&self, binding: Option<&Binding>) -> String {
        match binding {
            Some(binding) => {
                let index = self.bindings.binary_search(binding).unwrap_or_default();
                format!("Some(&BINDING_{index})")
            }
            None => "None".to_owned(),
        }
    }
}

/// The file of the shared statics.
pub(super) fn emit_shared(model: &Model, shared: &Shared) -> Writer {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    for (index, types) in shared.types.iter().enumerate() {
        let list: Vec<String> = types
            .iter()
            .map(|reference| {
                let definition = match reference.kind {
                    TypeKind::Object => {
                        format!("Some(&{})", naming::constant_name(&reference.code))
                    }
                    _ => "None".to_owned(),
                };
                let targets = literals(&reference.targets);
                format!(
                    "TypeRef {{ code: {:?}, targets: {targets}, definition: {definition} }}",
                    reference.code
                )
            })
            .collect();
        let len = list.len();
        writer.line(&format!(
            "pub(in super::super) static TYPES_{index}: [TypeRef; {len}] = [{}];",
            list.join(", ")
        ));
    }
    for (index, binding) in shared.bindings.iter().enumerate() {
        let strength = naming::capitalised(&binding.strength);
        let closed = model
            .code_sets
            .get(&binding.value_set)
            .filter(|_| binding.strength == "required");
        let codes = closed.map_or("&[]".to_owned(), |set| {
            format!("codes::{}.codes", naming::constant_name(&set.rust))
        });
        writer.line(&format!(
            "pub(in super::super) static BINDING_{index}: BindingDef = BindingDef {{ strength: \
             BindingStrength::{strength}, value_set: {:?}, codes: {codes} }};",
            binding.value_set
        ));
    }
    writer
}
