//! The search parameters as text: a line for each, sorted by code, which the
//! library reads when it first searches.
//!
//! A line has code, type, URL, bases, targets, paths, components, and then the
//! descriptions, all with tabs between them. In a list of names they are joined
//! by `,`. Paths are joined by `;`; a path is its root and its steps, a space
//! before each: `.child`, `[0]` index, `:Type` of this type, `?child=text` where
//! it is equal, `~Type` where it resolves to, `!` exists, `!!` exists and is not
//! false. Components are joined by `&`, each a URL, `|` and its paths. A
//! description is `base=text`.

use super::{
    super::{
        Error, GeneratedFile,
        ir::{Model, Path, SearchParameter, Step},
    },
    refuse_separators,
};

pub(super) fn emit(model: &Model) -> Result<GeneratedFile, Error> {
    let lines = model.search_parameters.iter().map(line);
    Ok(GeneratedFile {
        name: "search-parameters.txt".to_owned(),
        text: lines.collect::<Result<String, Error>>()?,
    })
}

fn line(parameter: &SearchParameter) -> Result<String, Error> {
    let components = parameter.components.iter().map(|component| {
        let paths = paths(&component.paths, &parameter.url)?;
        Ok(format!("{}|{paths}", component.definition))
    });
    let mut fields = vec![
        parameter.code.clone(),
        parameter.kind.clone(),
        parameter.url.clone(),
        parameter.base.join(","),
        parameter.target.join(","),
        paths(&parameter.paths, &parameter.url)?,
        components.collect::<Result<Vec<_>, Error>>()?.join("&"),
    ];
    let descriptions = parameter.descriptions.iter();
    fields.extend(descriptions.map(|(base, text)| format!("{base}={text}")));
    for field in &fields {
        refuse_separators(&parameter.url, field, &['\t', '\n', '\r'])?;
    }
    Ok(fields.join("\t") + "\n")
}

fn paths(paths: &[Path], subject: &str) -> Result<String, Error> {
    let texts = paths.iter().map(|path| {
        let mut text = path.root.clone();
        for step in &path.steps {
            let step = step_text(step);
            refuse_separators(subject, &step, &[' ', ';', '&', '|'])?;
            text = format!("{text} {step}");
        }
        Ok(text)
    });
    Ok(texts.collect::<Result<Vec<_>, Error>>()?.join(";"))
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Child(name) => format!(".{name}"),
        Step::Index(index) => format!("[{index}]"),
        Step::OfType(name) => format!(":{name}"),
        Step::WhereEquals(child, text) => format!("?{child}={text}"),
        Step::WhereResolves(name) => format!("~{name}"),
        Step::Exists => "!".to_owned(),
        Step::ExistsAndNotFalse => "!!".to_owned(),
    }
}
