//! What a profile repeats of the type that it constrains. A snapshot says every
//! element again; what says nothing new is left out, since the library reads
//! profiles at run time, and keeps only what they tighten.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The members of an ElementDefinition that are left out where they are those
/// of the base.
const REPEATED: [&str; 4] = ["min", "max", "type", "binding"];

/// The elements of the types that profiles constrain, by path.
#[derive(Default)]
pub(super) struct Base<'a>(BTreeMap<&'a str, &'a Map<String, Value>>);

impl<'a> Base<'a> {
    pub(super) fn new(elements: impl Iterator<Item = &'a Map<String, Value>>) -> Self {
        let by_path = elements.filter_map(|element| Some((text(element, "path")?, element)));
        Self(by_path.collect())
    }

    /// What an element of a profile says beyond its base. A slice says
    /// everything: it has no base of its own.
    pub(super) fn beyond<'e>(
        &self,
        element: &'e Map<String, Value>,
    ) -> impl Iterator<Item = (&'e String, &'e Value)> {
        let path = text(element, "path").filter(|_| !element.contains_key("sliceName"));
        let base = path.and_then(|path| self.element(path));
        element.iter().filter(move |(name, value)| {
            !REPEATED.contains(&name.as_str())
                || base.is_none_or(|base| base.get(name.as_str()) != Some(value))
        })
    }

    /// The element at a path, which may lead through the types of elements.
    fn element(&self, path: &str) -> Option<&'a Map<String, Value>> {
        let mut steps = path.split('.');
        let mut at = steps.next()?.to_owned();
        for step in steps {
            at = self.child(&at, step)?;
        }
        self.0.get(at.as_str()).copied()
    }

    /// The path of a child: below the element itself, else in what it refers to
    /// or in its one type.
    fn child(&self, path: &str, step: &str) -> Option<String> {
        let below = |parent: &str| {
            let child = format!("{parent}.{step}");
            self.0.contains_key(child.as_str()).then_some(child)
        };
        below(path).or_else(|| {
            let element = self.0.get(path)?;
            match text(element, "contentReference") {
                Some(reference) => below(reference.trim_start_matches('#')),
                None => match element.get("type")?.as_array()?.as_slice() {
                    [only] => below(only.get("code")?.as_str()?),
                    _ => None,
                },
            }
        })
    }
}

fn text<'v>(element: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    element.get(name)?.as_str()
}
