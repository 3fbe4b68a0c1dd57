//! Enums of the closed required value sets.

use super::{
    super::{ir::Model, naming},
    HEADER,
    writer::{Writer, literals},
};

pub(super) fn emit(model: &Model) -> Writer {
    let mut writer = Writer::new();
    writer.line("//! Codes with required bindings: one enum for each closed value set.");
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    for set in model.code_sets.values() {
        let constant = naming::constant_name(&set.rust);
        writer.line("");
        writer.doc(&format!("{} (`{}`)", set.title, set.url));
        writer.line("#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]");
        writer.block(&format!("pub enum {} {{", set.rust), "}", |writer| {
            for code in &set.codes {
                writer.line(&format!("/// `{}`", code.code));
                writer.line(&format!("{},", code.variant));
            }
        });
        let variants: Vec<&str> = set.codes.iter().map(|code| code.variant.as_str()).collect();
        writer.line(&format!(
            "code_enum! {{ {} = {constant} {{ {} }} }}",
            set.rust,
            variants.join(" ")
        ));
        let mut sorted: Vec<usize> = (0..set.codes.len()).collect();
        sorted.sort_by_key(|&index| set.codes.get(index).map(|code| code.code.as_str()));
        let sorted: Vec<String> = sorted.iter().map(usize::to_string).collect();
        writer.block(
            &format!("static {constant}: CodeTable = CodeTable {{"),
            "};",
            |writer| {
                writer.line(&format!("value_set: {:?},", set.url));
                writer.line(&format!(
                    "codes: {},",
                    literals(set.codes.iter().map(|code| &code.code))
                ));
                writer.line(&format!("sorted: &[{}],", sorted.join(", ")));
            },
        );
    }
    writer.line("");
    writer.line("/// All of them, sorted by URL.");
    writer.block(
        "pub(in super::super) static TABLES: &[&CodeTable] = &[",
        "];",
        |writer| {
            for set in model.code_sets.values() {
                writer.line(&format!("&{},", naming::constant_name(&set.rust)));
            }
        },
    );
    writer
}
