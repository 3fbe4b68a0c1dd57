//! Code systems and value sets as two texts: a paragraph for each, in the order
//! of the URLs' lengths and then of the URLs, which the library searches where
//! they are.
//!
//! The first line of a code system is its URL and flags: `c` all of its codes
//! are known, `s` its codes are case-sensitive. Each other line is a concept:
//! code, display (empty when it is the code itself), codes of its parents. Before
//! the display stands U+0001 when it is abstract, U+0002 when it is inactive. The
//! lines are sorted by code without regard to case, then by code.
//!
//! The first line of a value set is its URL. Each other line is a part: `+`
//! included or `-` excluded, and `s` all codes of a system, `c` a system and
//! codes in the order of the concepts, `f` a system and three fields for each
//! filter (property, operator, value), `v` value sets that must all have the
//! code. Between all fields stand tabs.

use super::{
    super::{
        Error, GeneratedFile,
        ir::{CodeSystem, Model, Part, ValueSet},
    },
    HEADER, file, refuse_separators,
    writer::Writer,
};

/// The two texts, and the Rust file that includes them.
pub(super) fn emit(model: &Model) -> Result<Vec<GeneratedFile>, Error> {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    let mut systems = Paragraphs::default();
    for (url, system) in sorted(&model.code_systems) {
        systems.code_system(url, system)?;
    }
    let mut sets = Paragraphs::default();
    for (url, set) in sorted(&model.value_sets) {
        sets.value_set(url, set)?;
    }
    let mut files = Vec::new();
    for (name, file, paragraphs) in [
        ("CODE_SYSTEMS", "code-systems.txt", systems),
        ("VALUE_SETS", "value-sets.txt", sets),
    ] {
        let index: Vec<String> = paragraphs.index.iter().map(usize::to_string).collect();
        writer.line("");
        writer.block(
            &format!("pub(in super::super) static {name}: Paragraphs = Paragraphs {{"),
            "};",
            |writer| {
                writer.line(&format!("text: include_str!(\"{file}\"),"));
                writer.line(&format!("index: &[{}],", index.join(", ")));
            },
        );
        files.push(GeneratedFile {
            name: file.to_owned(),
            text: paragraphs.text,
        });
    }
    files.push(file("terminology.rs", writer));
    Ok(files)
}

fn sorted<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<(&str, &T)> {
    let mut list: Vec<(&str, &T)> = map.iter().map(|(url, item)| (url.as_str(), item)).collect();
    list.sort_by_key(|(url, _)| (url.len(), *url));
    list
}

#[derive(Default)]
struct Paragraphs {
    text: String,
    /// Where each paragraph starts, and in the lowest byte the length of its URL.
    index: Vec<usize>,
}

impl Paragraphs {
    fn start(&mut self, url: &str) -> Result<(), Error> {
        if url.len() > 0xff || self.text.len() >= 1 << 24 {
            return Err(Error::new(
                url,
                "more than the index of terminology can hold",
            ));
        }
        self.index.push(self.text.len() << 8 | url.len());
        Ok(())
    }

    fn line<'a>(
        &mut self,
        subject: &str,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        for (index, field) in fields.into_iter().enumerate() {
            refuse_separators(subject, field, &['\t', '\n', '\r'])?;
            if index > 0 {
                self.text.push('\t');
            }
            self.text.push_str(field);
        }
        self.text.push('\n');
        Ok(())
    }

    fn code_system(&mut self, url: &str, system: &CodeSystem) -> Result<(), Error> {
        self.start(url)?;
        let flags = match (system.complete, system.case_sensitive) {
            (true, true) => "cs",
            (true, false) => "c",
            (false, true) => "s",
            (false, false) => "",
        };
        self.line(url, [url, flags])?;
        for ((_, code), concept) in &system.concepts {
            if concept.display.starts_with(['\u{1}', '\u{2}']) {
                return Err(Error::new(url, "a display that starts like a flag"));
            }
            let mut display = String::new();
            if concept.is_abstract {
                display.push('\u{1}');
            }
            if concept.is_inactive {
                display.push('\u{2}');
            }
            if concept.display != *code {
                display += &concept.display;
            }
            let mut fields = vec![code.as_str()];
            if !display.is_empty() || !concept.parents.is_empty() {
                fields.push(&display);
            }
            fields.extend(concept.parents.iter().map(String::as_str));
            self.line(url, fields)?;
        }
        Ok(())
    }

    fn value_set(&mut self, url: &str, set: &ValueSet) -> Result<(), Error> {
        self.start(url)?;
        self.line(url, [url])?;
        let parts = set.include.iter().map(|part| (true, part));
        for (include, part) in parts.chain(set.exclude.iter().map(|part| (false, part))) {
            let kind = |included, excluded| if include { included } else { excluded };
            let mut fields: Vec<&str> = Vec::new();
            match part {
                Part::System(system) => fields.extend([kind("+s", "-s"), system]),
                Part::Concepts(system, codes) => {
                    fields.extend([kind("+c", "-c"), system]);
                    fields.extend(codes.iter().map(|(_, code)| code.as_str()));
                }
                Part::Filters(system, filters) => {
                    fields.extend([kind("+f", "-f"), system]);
                    for (property, operator, value) in filters {
                        fields.extend([property.as_str(), operator, value]);
                    }
                }
                Part::ValueSets(urls) => {
                    fields.push(kind("+v", "-v"));
                    fields.extend(urls.iter().map(String::as_str));
                }
            }
            self.line(url, fields)?;
        }
        Ok(())
    }
}
