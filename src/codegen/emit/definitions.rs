//! The definitions as text: a paragraph for each type, sorted by name, which
//! the library reads when the type is first asked for.
//!
//! The first line has name, kind, short text and the binding of the type; each other line an element:
//! name, flags, types, binding, short text. Between them stand tabs. Flags are
//! `!` min 1, `*` many, `x` choice, `m` modifier, `s` summary. Types are
//! `Reference(Patient|Group)`, in a choice element `valueReference=Reference(…)`.
//! A binding is strength, value set, if its list is closed the number of the
//! enum among those of `codes.rs`, and `max=` with the value set that always holds.

use std::collections::BTreeMap;

use super::{
    super::{
        Error, GeneratedFile,
        ir::{Binding, Element, Kind, Model},
        naming,
    },
    refuse_separators,
};

/// How many JSON properties and elements of a type the reader can keep track of.
const MAX_KEYS: usize = 256;
const MAX_ELEMENTS: usize = 128;

/// The text, and the offset of each paragraph and of the end.
pub(super) fn emit(model: &Model) -> Result<(GeneratedFile, Vec<usize>), Error> {
    let sets: BTreeMap<&str, usize> = model
        .code_sets
        .keys()
        .enumerate()
        .map(|(index, url)| (url.as_str(), index))
        .collect();
    let mut text = String::new();
    let mut offsets = vec![0];
    for (path, r#type) in &model.types {
        let keys: usize = r#type
            .elements
            .iter()
            .map(|element| element.types.len())
            .sum();
        if keys > MAX_KEYS || r#type.elements.len() > MAX_ELEMENTS {
            return Err(Error::new(
                path,
                "more elements than the reader keeps track of",
            ));
        }
        let kind = match r#type.kind {
            Kind::Resource => "resource",
            Kind::ComplexType => "complex-type",
            Kind::Backbone => "backbone",
        };
        let bound = r#type.binding.as_ref();
        push_line(
            &mut text,
            path,
            &[path, kind, &r#type.short, &binding(bound, &sets)],
        )?;
        for element in &r#type.elements {
            push_line(
                &mut text,
                &format!("{path}.{}", element.name),
                &[
                    &element.name,
                    &flags(element),
                    &types(element),
                    &binding(element.binding.as_ref(), &sets),
                    &element.short,
                ],
            )?;
        }
        offsets.push(text.len());
    }
    let file = GeneratedFile {
        name: "definitions.txt".to_owned(),
        text,
    };
    Ok((file, offsets))
}

fn push_line(text: &mut String, subject: &str, fields: &[&str]) -> Result<(), Error> {
    for field in fields {
        refuse_separators(subject, field, &['\t', '\n', '\r'])?;
    }
    text.push_str(&fields.join("\t"));
    text.push('\n');
    Ok(())
}

fn flags(element: &Element) -> String {
    let flags = [
        (element.cardinality.min > 0, '!'),
        (element.cardinality.many, '*'),
        (element.choice, 'x'),
        (element.is_modifier, 'm'),
        (element.is_summary, 's'),
    ];
    let set = flags.iter().filter(|(set, _)| *set);
    set.map(|(_, letter)| letter).collect()
}

fn types(element: &Element) -> String {
    let types = element.types.iter().map(|reference| {
        let mut text = String::new();
        if element.choice {
            let suffix = naming::capitalised(&reference.code);
            text = format!("{}{suffix}=", element.name);
        }
        text += &reference.code;
        if !reference.targets.is_empty() {
            text += &format!("({})", reference.targets.join("|"));
        }
        text
    });
    types.collect::<Vec<_>>().join(" ")
}

fn binding(binding: Option<&Binding>, sets: &BTreeMap<&str, usize>) -> String {
    let Some(binding) = binding else {
        return String::new();
    };
    let mut text = format!("{} {}", binding.strength, binding.value_set);
    let closed = sets
        .get(binding.value_set.as_str())
        .filter(|_| binding.strength == "required");
    if let Some(index) = closed {
        text += &format!(" {index}");
    }
    if let Some(url) = &binding.max_value_set {
        text += &format!(" max={url}");
    }
    text
}
