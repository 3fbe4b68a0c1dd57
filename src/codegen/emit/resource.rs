//! The `Resource` enum and the lookup of definitions by name.

use super::{super::ir::Model, HEADER, writer::Writer};

pub(super) fn emit(model: &Model, offsets: &[usize]) -> Writer {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    writer.line("");
    writer.line(&format!("resources! {{ {} }}", model.resources.join(" ")));
    writer.line("");
    let count = model.types.len();
    let offsets: Vec<String> = offsets.iter().map(usize::to_string).collect();
    writer.line(&format!(
        "static TYPES: [std::sync::OnceLock<TypeDef>; {count}] = [const {{ std::sync::OnceLock::new() }}; {count}];"
    ));
    writer.line("");
    writer.line("/// The definitions of all types.");
    writer.block(
        "pub(in super::super) static DEFINITIONS: Definitions = Definitions {",
        "};",
        |writer| {
            writer.line("text: include_str!(\"definitions.txt\"),");
            writer.line(&format!("offsets: &[{}],", offsets.join(", ")));
            writer.line("types: &TYPES,");
            writer.line("code_tables: codes::TABLES,");
        },
    );
    writer
}
