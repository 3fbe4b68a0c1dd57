//! Value sets and code systems that come in packages
//! ([ValueSet.compose](https://hl7.org/fhir/R4/valueset.html#compositions)).

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::registry::Registry;
use crate::{
    model,
    validation::terminology::Membership::{self, Member, NotMember, Unknown},
};

/// A value set: what it includes and excludes, or its expansion.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ValueSet {
    compose: Option<Compose>,
    expansion: Option<Expansion>,
}

#[derive(Debug, Deserialize)]
struct Compose {
    #[serde(default)]
    include: Vec<Part>,
    #[serde(default)]
    exclude: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    system: Option<String>,
    concept: Option<Vec<Concept>>,
    #[serde(default)]
    filter: Vec<Filter>,
    #[serde(default)]
    value_set: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Filter {
    property: String,
    op: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Expansion {
    #[serde(default)]
    contains: Vec<Concept>,
}

/// A code: of a value set with its system, of a code system with its children.
#[derive(Debug, Deserialize)]
struct Concept {
    #[serde(default)]
    code: String,
    system: Option<String>,
    #[serde(default)]
    property: Vec<Map<String, Value>>,
    #[serde(default, alias = "contains")]
    concept: Vec<Concept>,
}

impl ValueSet {
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn member(
        &self,
        registry: &Registry,
        system: Option<&str>,
        code: &str,
        depth: usize,
    ) -> Membership {
        let Some(compose) = &self.compose else {
            return match &self.expansion {
                Some(expansion) => expanded(&expansion.contains, system, code),
                None => Unknown,
            };
        };
        let parts = |parts: &[Part]| {
            any(parts
                .iter()
                .map(|part| part.member(registry, system, code, depth)))
        };
        match (parts(&compose.include), parts(&compose.exclude)) {
            (NotMember, _) | (_, Member) => NotMember,
            (included, NotMember) => included,
            _ => Unknown,
        }
    }
}

fn expanded(contains: &[Concept], system: Option<&str>, code: &str) -> Membership {
    any(contains.iter().map(|concept| {
        let same_system = system.is_none() || system == concept.system.as_deref();
        match concept.code == code && same_system {
            true => Member,
            false => expanded(&concept.concept, system, code),
        }
    }))
}

/// Member of one of several sets.
fn any(sets: impl Iterator<Item = Membership>) -> Membership {
    let mut result = NotMember;
    for membership in sets {
        match membership {
            Member => return Member,
            Unknown => result = Unknown,
            NotMember => {}
        }
    }
    result
}

/// Member of all of several sets.
fn all(sets: impl Iterator<Item = Membership>) -> Membership {
    let mut result = Member;
    for membership in sets {
        match membership {
            NotMember => return NotMember,
            Unknown => result = Unknown,
            Member => {}
        }
    }
    result
}

impl Part {
    fn member(
        &self,
        registry: &Registry,
        system: Option<&str>,
        code: &str,
        depth: usize,
    ) -> Membership {
        let in_system = self
            .system
            .as_deref()
            .map(|own| self.member_of_system(registry, own, system, code));
        let imported = self
            .value_set
            .iter()
            .map(|url| registry.member_of(url, system, code, depth + 1));
        all(in_system.into_iter().chain(imported))
    }

    fn member_of_system(
        &self,
        registry: &Registry,
        own: &str,
        system: Option<&str>,
        code: &str,
    ) -> Membership {
        if system.is_some_and(|system| system != own) {
            return NotMember;
        }
        if let Some(concepts) = &self.concept {
            return match concepts.iter().any(|concept| concept.code == code) {
                true => Member,
                false => NotMember,
            };
        }
        match registry.code_system(own) {
            Some(code_system) => all(std::iter::once(code_system.has(code)).chain(
                self.filter
                    .iter()
                    .map(|filter| code_system.matches(filter, code)),
            )),
            None => of_specification(own, &self.filter, code),
        }
    }
}

/// Whether a code is one of a code system of the specification, and what the
/// filters let through.
fn of_specification(system: &str, filters: &[Filter], code: &str) -> Membership {
    let Some(system) = model::terminology::code_system(system) else {
        return Unknown;
    };
    let Some(concept) = system.concept(code) else {
        return if system.is_complete() {
            NotMember
        } else {
            Unknown
        };
    };
    all(filters.iter().map(|filter| {
        let holds = match filter.op.as_str() {
            "is-a" => system.is_a(concept, &filter.value),
            "descendent-of" => system.descends_from(concept, &filter.value),
            "is-not-a" => !system.is_a(concept, &filter.value),
            _ => return Unknown,
        };
        if holds { Member } else { NotMember }
    }))
}

/// A code system: its codes, the parents of each, and their properties.
#[derive(Debug)]
pub(super) struct CodeSystem {
    complete: bool,
    codes: HashMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    parents: Vec<String>,
    properties: Vec<(String, String)>,
}

impl CodeSystem {
    pub(super) fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Source {
            #[serde(default)]
            content: String,
            #[serde(default)]
            concept: Vec<Concept>,
        }
        let source: Source = serde_json::from_str(text).ok()?;
        let mut code_system = Self {
            complete: source.content == "complete",
            codes: HashMap::new(),
        };
        code_system.add(&source.concept, None);
        Some(code_system)
    }

    fn add(&mut self, concepts: &[Concept], parent: Option<&str>) {
        for concept in concepts {
            let entry = self.codes.entry(concept.code.clone()).or_default();
            entry.parents.extend(parent.map(str::to_owned));
            for property in &concept.property {
                let Some(name) = property.get("code").and_then(Value::as_str) else {
                    continue;
                };
                let value = property.iter().find(|(key, _)| key.starts_with("value"));
                let value = value.map(|(_, value)| match value {
                    Value::String(text) => text.clone(),
                    Value::Object(coding) => coding
                        .get("code")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    other => other.to_string(),
                });
                match (name, value) {
                    ("parent" | "subsumedBy", Some(parent)) => entry.parents.push(parent),
                    (_, Some(value)) => entry.properties.push((name.to_owned(), value)),
                    (_, None) => {}
                }
            }
            self.add(&concept.concept, Some(&concept.code));
        }
    }

    fn has(&self, code: &str) -> Membership {
        match (self.codes.contains_key(code), self.complete) {
            (true, _) => Member,
            (false, true) => NotMember,
            (false, false) => Unknown,
        }
    }

    fn matches(&self, filter: &Filter, code: &str) -> Membership {
        let Some(entry) = self.codes.get(code) else {
            return self.has(code);
        };
        let values = || {
            entry
                .properties
                .iter()
                .filter(|(name, _)| *name == filter.property)
                .map(|(_, value)| value.as_str())
        };
        let listed = |value: &str| filter.value.split(',').any(|listed| listed.trim() == value);
        let of_code = matches!(filter.property.as_str(), "code" | "concept");
        let holds = match filter.op.as_str() {
            "is-a" => code == filter.value || self.descends(code, &filter.value),
            "descendent-of" => self.descends(code, &filter.value),
            "is-not-a" => code != filter.value && !self.descends(code, &filter.value),
            "=" if of_code => code == filter.value,
            "=" if filter.property == "parent" => entry.parents.contains(&filter.value),
            "=" => values().any(|value| value == filter.value),
            "in" if of_code => listed(code),
            "in" => values().any(listed),
            "not-in" if of_code => !listed(code),
            "not-in" => !values().any(listed),
            "exists" => (values().next().is_some()) == (filter.value == "true"),
            _ => return Unknown,
        };
        match holds {
            true => Member,
            false => NotMember,
        }
    }

    /// Whether a code has an ancestor.
    fn descends(&self, code: &str, ancestor: &str) -> bool {
        let mut seen = HashSet::new();
        let mut next = vec![code];
        while let Some(code) = next.pop() {
            let parents = self
                .codes
                .get(code)
                .map_or(&[] as &[String], |entry| &entry.parents);
            for parent in parents {
                if parent == ancestor {
                    return true;
                }
                if seen.insert(parent.as_str()) {
                    next.push(parent);
                }
            }
        }
        false
    }
}
