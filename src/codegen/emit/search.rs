//! The table of search parameters.

use super::{
    super::{
        ir::{Model, Path, Step},
        naming,
    },
    HEADER,
    writer::{Writer, literal, literals},
};

pub(super) fn emit(model: &Model) -> Writer {
    let mut writer = Writer::new();
    writer.line(HEADER);
    writer.line("use super::super::search_prelude::*;");
    writer.line("/// All search parameters, sorted by code.");
    let head = format!(
        "pub(crate) static SEARCH_PARAMETERS: [SearchParameter; {}] = [",
        model.search_parameters.len()
    );
    writer.block(&head, "];", |writer| {
        for parameter in &model.search_parameters {
            writer.block("SearchParameter {", "},", |writer| {
                writer.line(&format!(
                    "code: {:?}, url: {:?},",
                    parameter.code, parameter.url
                ));
                writer.line(&format!(
                    "kind: SearchParamType::{},",
                    naming::capitalised(&parameter.kind)
                ));
                let texts: Vec<String> = parameter
                    .descriptions
                    .iter()
                    .map(|(base, text)| format!("({base:?}, {})", literal(text)))
                    .collect();
                writer.line(&format!("descriptions: &[{}],", texts.join(", ")));
                writer.line(&format!("base: {},", literals(&parameter.base)));
                writer.line(&format!("target: {},", literals(&parameter.target)));
                writer.line(&format!("paths: {},", paths(&parameter.paths)));
                let components: Vec<String> = parameter
                    .components
                    .iter()
                    .map(|component| {
                        let paths = paths(&component.paths);
                        format!(
                            "Component {{ definition: {:?}, paths: {paths} }}",
                            component.definition
                        )
                    })
                    .collect();
                writer.line(&format!("components: &[{}],", components.join(", ")));
            });
        }
    });
    writer
}

fn paths(paths: &[Path]) -> String {
    let list: Vec<String> = paths
        .iter()
        .map(|path| {
            let steps: Vec<String> = path.steps.iter().map(step).collect();
            format!(
                "Path {{ root: {:?}, steps: &[{}] }}",
                path.root,
                steps.join(", ")
            )
        })
        .collect();
    format!("&[{}]", list.join(", "))
}

fn step(step: &Step) -> String {
    match step {
        Step::Child(name) => format!("Step::Child({name:?})"),
        Step::Index(index) => format!("Step::Index({index})"),
        Step::OfType(name) => format!("Step::OfType({name:?})"),
        Step::WhereEquals(child, text) => format!("Step::WhereEquals({child:?}, {text:?})"),
        Step::WhereResolves(name) => format!("Step::WhereResolves({name:?})"),
        Step::Exists => "Step::Exists".to_owned(),
        Step::ExistsAndNotFalse => "Step::ExistsAndNotFalse".to_owned(),
    }
}
