//! The generated definitions are kept as one text and read type by type, each
//! when it is first asked for.
//!
//! As statics they would be 7,000 elements full of pointers: every process
//! would relocate four megabytes of them at its start, and every build would
//! spend a third of its time on them. As text they cost what is used.

use std::{cmp::Ordering, sync::OnceLock};

use super::{BindingDef, BindingStrength, ElementDef, Key, Kind, TypeDef, TypeRef};
use crate::model::primitive::CodeTable;

/// The definitions of one generated model.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// A paragraph for each type, sorted by name; see `codegen::emit::definitions`.
    pub(crate) text: &'static str,
    /// Where each paragraph starts, and the end of the last one.
    pub(crate) offsets: &'static [u32],
    /// What was read already, in the same order.
    pub(crate) types: &'static [OnceLock<TypeDef>],
    /// The closed value sets, which bindings name by index.
    pub(crate) code_tables: &'static [&'static CodeTable],
}

impl Definitions {
    /// The type at this position in the order of the names.
    #[inline]
    pub(crate) fn at(&'static self, index: u16) -> &'static TypeDef {
        match self
            .types
            .get(usize::from(index))
            .and_then(|slot| slot.get())
        {
            Some(definition) => definition,
            None => self.read(index),
        }
    }

    /// The type with this name.
    pub(crate) fn find(&'static self, name: &str) -> Option<&'static TypeDef> {
        self.position(name).map(|index| self.at(index))
    }

    fn position(&self, name: &str) -> Option<u16> {
        // The types without a definition: most of those that are looked for.
        if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
            return None;
        }
        let (mut low, mut high) = (0, self.types.len());
        while low < high {
            let middle = (low + high) / 2;
            let paragraph = self.paragraph(middle).as_bytes();
            let start = paragraph.get(..name.len()).unwrap_or(paragraph);
            // A tab ends the name, and comes before every character of names.
            let order = start
                .cmp(name.as_bytes())
                .then_with(|| paragraph.get(name.len()).cmp(&Some(&b'\t')));
            match order {
                Ordering::Equal => return u16::try_from(middle).ok(),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn paragraph(&self, index: usize) -> &'static str {
        let bound = |index| {
            self.offsets
                .get(index)
                .map_or(self.text.len(), |&at| at as usize)
        };
        self.text
            .get(bound(index)..bound(index + 1))
            .unwrap_or_default()
    }

    #[cold]
    fn read(&'static self, index: u16) -> &'static TypeDef {
        static UNKNOWN: TypeDef = TypeDef {
            name: "",
            index: 0,
            kind: Kind::Backbone,
            short: "",
            elements: &[],
            keys: &[],
            sorted_keys: &[],
            required: &[],
            coded: &[],
            binding: None,
        };
        // An index comes out of the generator, with the slots themselves.
        self.types.get(usize::from(index)).map_or(&UNKNOWN, |slot| {
            slot.get_or_init(|| self.type_def(usize::from(index)))
        })
    }

    fn type_def(&'static self, index: usize) -> TypeDef {
        let mut lines = self.paragraph(index).lines();
        let mut head = fields(lines.next().unwrap_or_default());
        let mut next = || head.next().unwrap_or_default();
        let (name, kind, short, binding) = (next(), next(), next(), next());
        let (mut elements, mut keys) = (Vec::new(), Vec::new());
        for line in lines {
            let element = self.element(line, elements.len() as u16, &mut keys);
            elements.push(element);
        }
        let mut sorted_keys: Vec<u16> = (0..keys.len() as u16).collect();
        sorted_keys.sort_by_key(|&index| keys.get(usize::from(index)).map(|key: &Key| key.name));
        let required = elements
            .iter()
            .enumerate()
            .filter(|(_, element): &(usize, &ElementDef)| element.min > 0)
            .map(|(index, _)| index as u16);
        let coded = elements
            .iter()
            .enumerate()
            .filter(|(_, element)| is_coded(element))
            .map(|(index, _)| index as u16);
        // Leaked, as statics are: once for each type, at most.
        TypeDef {
            name,
            index: index as u16,
            kind: match kind {
                "resource" => Kind::Resource,
                "complex-type" => Kind::ComplexType,
                _ => Kind::Backbone,
            },
            short,
            required: required.collect::<Vec<u16>>().leak(),
            coded: coded.collect::<Vec<u16>>().leak(),
            binding: self.binding(binding),
            elements: elements.leak(),
            keys: keys.leak(),
            sorted_keys: sorted_keys.leak(),
        }
    }

    /// name, flags, types, binding, short
    fn element(&'static self, line: &'static str, index: u16, keys: &mut Vec<Key>) -> ElementDef {
        let mut fields = fields(line);
        let mut next = || fields.next().unwrap_or_default();
        let (name, flags, types, binding, short) = (next(), next(), next(), next(), next());
        let flag = |letter| flags.contains(letter);
        let first_key = keys.len() as u16;
        let types: Vec<TypeRef> = types
            .split(' ')
            .enumerate()
            .map(|(variant, text)| {
                let (key, text) = text.split_once('=').unwrap_or((name, text));
                let target = self.type_ref(text);
                keys.push(Key {
                    name: key,
                    element: index,
                    variant: variant as u16,
                    primitive: target.definition.is_none() && target.code != "Resource",
                });
                target
            })
            .collect();
        ElementDef {
            name,
            short,
            min: u8::from(flag('!')),
            many: flag('*'),
            choice: flag('x'),
            is_modifier: flag('m'),
            is_summary: flag('s'),
            types: types.leak(),
            binding: self.binding(binding),
            first_key,
        }
    }

    /// `Reference(Patient|Group)`
    fn type_ref(&'static self, text: &'static str) -> TypeRef {
        let (code, targets) = match text.split_once('(') {
            Some((code, rest)) => (code, rest.trim_end_matches(')').split('|').collect()),
            None => (text, Vec::new()),
        };
        TypeRef {
            code,
            targets: targets.leak(),
            definition: self.position(code).map(|index| (self, index)),
        }
    }

    /// `required http://… 17 max=http://…`; without the number when the list is
    /// not closed.
    fn binding(&self, text: &'static str) -> Option<&'static BindingDef> {
        let mut words = text.split(' ');
        let strength = match words.next()? {
            "required" => BindingStrength::Required,
            "extensible" => BindingStrength::Extensible,
            "preferred" => BindingStrength::Preferred,
            "example" => BindingStrength::Example,
            _ => return None,
        };
        let value_set = words.next()?;
        let (mut table, mut max_value_set) = (None, None);
        for word in words {
            match word.strip_prefix("max=") {
                Some(url) => max_value_set = Some(url),
                None => {
                    let index = word.parse::<usize>().ok();
                    table = index.and_then(|index| self.code_tables.get(index));
                }
            }
        }
        Some(Box::leak(Box::new(BindingDef {
            strength,
            value_set,
            codes: table.map_or(&[], |table| table.codes),
            max_value_set,
        })))
    }
}

/// Whether it is a code, string or URI with a binding that the reader does not
/// check and that is no mere example.
fn is_coded(element: &ElementDef) -> bool {
    let primitive = |code| matches!(code, "code" | "string" | "uri");
    element.binding.is_some_and(|binding| {
        binding.codes.is_empty()
            && (binding.strength != BindingStrength::Example || binding.max_value_set.is_some())
    }) && !element.choice
        && element.types.iter().any(|r#type| primitive(r#type.code))
}

fn fields(line: &'static str) -> impl Iterator<Item = &'static str> {
    line.lines().next().unwrap_or_default().split('\t')
}
