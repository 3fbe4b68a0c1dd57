//! Reads the generated text of search parameters, once; `codegen::emit::search`
//! says what its lines hold. See [`Definitions`](super::super::definition) for
//! why it is text.

use std::sync::LazyLock;

use super::{Component, Path, SearchParamType, SearchParameter, Step};
use crate::model::generated::SEARCH_PARAMETERS;

/// All search parameters, sorted by code.
pub(super) fn all() -> &'static [SearchParameter] {
    static ALL: LazyLock<Vec<SearchParameter>> =
        LazyLock::new(|| SEARCH_PARAMETERS.lines().filter_map(parameter).collect());
    &ALL
}

fn parameter(line: &'static str) -> Option<SearchParameter> {
    let mut fields = line.split('\t');
    Some(SearchParameter {
        code: fields.next()?,
        kind: kind(fields.next()?)?,
        url: fields.next()?,
        base: names(fields.next()?),
        target: names(fields.next()?),
        paths: paths(fields.next()?),
        components: list(fields.next()?, '&', |text| {
            let (definition, text) = text.split_once('|')?;
            Some(Component {
                definition,
                paths: paths(text),
            })
        }),
        // The rest of the line.
        descriptions: fields
            .filter_map(|text| text.split_once('='))
            .collect::<Vec<_>>()
            .leak(),
    })
}

/// The parts of a text; none of an empty one.
fn list<T>(
    text: &'static str,
    separator: char,
    part: impl FnMut(&'static str) -> Option<T>,
) -> &'static [T] {
    let parts = text.split(separator).filter(|_| !text.is_empty());
    // Leaked, as statics are: once.
    parts.filter_map(part).collect::<Vec<T>>().leak()
}

fn names(text: &'static str) -> &'static [&'static str] {
    list(text, ',', Some)
}

fn paths(text: &'static str) -> &'static [Path] {
    list(text, ';', |text| {
        let (root, steps) = text.split_once(' ').unwrap_or((text, ""));
        Some(Path {
            root,
            steps: list(steps, ' ', step),
        })
    })
}

fn step(text: &'static str) -> Option<Step> {
    let rest = text.get(1..)?;
    Some(match text.as_bytes().first()? {
        b'.' => Step::Child(rest),
        b'[' => Step::Index(rest.trim_end_matches(']').parse().ok()?),
        b':' => Step::OfType(rest),
        b'?' => {
            let (child, text) = rest.split_once('=')?;
            Step::WhereEquals(child, text)
        }
        b'~' => Step::WhereResolves(rest),
        _ if rest.is_empty() => Step::Exists,
        _ => Step::ExistsAndNotFalse,
    })
}

fn kind(code: &str) -> Option<SearchParamType> {
    use SearchParamType::*;
    let all = [
        Composite, Date, Number, Quantity, Reference, Special, String, Token, Uri,
    ];
    all.into_iter().find(|kind| kind.as_str() == code)
}
