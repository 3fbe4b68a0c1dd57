//! The `Resource` enum and the lookup of definitions by name.

use super::{
    super::{ir::Model, naming},
    HEADER,
    writer::Writer,
};

pub(super) fn emit(model: &Model) -> Writer {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::generated_prelude::*;");
    writer.line("");
    writer.line(&format!("resources! {{ {} }}", model.resources.join(" ")));
    writer.line("");
    writer.line("/// All definitions, sorted by name.");
    let head = format!(
        "pub(in super::super) static DEFINITIONS: [&TypeDef; {}] = [",
        model.types.len()
    );
    writer.block(&head, "];", |writer| {
        for path in model.types.keys() {
            writer.line(&format!("&{},", naming::constant_name(path)));
        }
    });
    writer
}
