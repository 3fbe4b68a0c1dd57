//! Value sets that are part of the specification, evaluated code by code
//! ([compose](https://hl7.org/fhir/R4/valueset.html#compositions)).

use super::{
    CodeSystem, Concept, LANGUAGES, MEDIA_TYPES, UNITS, code_system, is_media_type, of_system,
    table::{find_entry, first_field},
    ucum,
};
use crate::model::generated::value_sets;

/// The binding of FHIR to media types names a document instead of a value set.
const MEDIA_TYPES_DOCUMENT: &str = "http://www.rfc-editor.org/bcp/bcp13.txt";

/// How deep value sets may include each other.
const MAX_DEPTH: u32 = 8;

/// Whether a code is in a value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is one of the set.
    Member,
    /// It is not.
    NotMember,
    /// What the set is made of is not known here: SNOMED CT, LOINC, a value set
    /// that is not part of the specification.
    Unknown,
}

use Membership::{Member, NotMember, Unknown};

impl Membership {
    /// In one of two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Member, _) | (_, Member) => Member,
            (Unknown, _) | (_, Unknown) => Unknown,
            _ => NotMember,
        }
    }

    /// In both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (NotMember, _) | (_, NotMember) => NotMember,
            (Unknown, _) | (_, Unknown) => Unknown,
            _ => Member,
        }
    }

    /// Outside.
    fn not(self) -> Self {
        match self {
            Member => NotMember,
            NotMember => Member,
            Unknown => Unknown,
        }
    }
}

impl From<bool> for Membership {
    fn from(member: bool) -> Self {
        if member { Member } else { NotMember }
    }
}

/// Whether a value set has a code. Without a system the code may be of any
/// system of the set, as for elements of type `code`. The URL may end in
/// `|version`, which is not looked at: there is one version here.
pub fn member(value_set_url: &str, system: Option<&str>, code: &str) -> Membership {
    evaluate(value_set_url, Wanted { system, code }, MAX_DEPTH)
}

/// A value set.
#[derive(Clone, Copy, Debug)]
pub struct ValueSet {
    /// A line for each part of its composition.
    parts: &'static str,
}

/// The value set with this canonical URL, if it is part of the specification.
pub fn value_set(url: &str) -> Option<ValueSet> {
    let (_, parts) = value_sets().find(without_version(url))?;
    Some(ValueSet { parts })
}

impl ValueSet {
    /// Whether a part of it includes codes of a code system.
    pub fn includes_system(&self, system: &str) -> bool {
        self.includes(system, MAX_DEPTH)
    }

    fn includes(&self, system: &str, depth: u32) -> bool {
        self.parts.lines().any(|line| {
            let mut fields = line.split('\t');
            match fields.next() {
                Some("+s" | "+c" | "+f") => fields.next() == Some(system),
                Some("+v") if depth > 0 => fields
                    .filter_map(value_set)
                    .any(|set| set.includes(system, depth - 1)),
                _ => false,
            }
        })
    }
}

#[derive(Clone, Copy)]
struct Wanted<'a> {
    system: Option<&'a str>,
    code: &'a str,
}

fn without_version(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

fn evaluate(url: &str, wanted: Wanted<'_>, depth: u32) -> Membership {
    let Some(set) = value_set(url).filter(|_| depth > 0) else {
        return match without_version(url) {
            MEDIA_TYPES_DOCUMENT => is_media_type(wanted.code).into(),
            _ => Unknown,
        };
    };
    let (mut included, mut excluded) = (NotMember, NotMember);
    for line in set.parts.lines() {
        let (include, part) = (line.starts_with('+'), line.get(1..).unwrap_or_default());
        let side = if include {
            &mut included
        } else {
            &mut excluded
        };
        if *side != Member {
            *side = side.or(self::part(part, wanted, depth));
        }
    }
    included.and(excluded.not())
}

/// `s`, `c`, `f` with a system, or `v`, and their fields.
fn part(text: &'static str, wanted: Wanted<'_>, depth: u32) -> Membership {
    let (kind, fields) = text.split_once('\t').unwrap_or_default();
    if kind == "v" {
        let sets = fields
            .split('\t')
            .map(|url| evaluate(url, wanted, depth - 1));
        return sets.fold(Member, Membership::and);
    }
    let url = first_field(fields);
    if wanted.system.is_some_and(|wanted| wanted != url) {
        return NotMember;
    }
    let rest = fields.get(url.len() + 1..).unwrap_or_default();
    match kind {
        "s" => of_system(url, wanted.code),
        "c" => {
            let case = match url {
                LANGUAGES => false,
                MEDIA_TYPES | UNITS => true,
                _ => code_system(url).is_none_or(|system| system.is_case_sensitive()),
            };
            find_entry(rest, b'\t', wanted.code, case).is_some().into()
        }
        _ => filters(url, wanted.code, rest),
    }
}

/// Whether a code is one of its system and passes every filter: property,
/// operator and value.
fn filters(url: &str, code: &str, text: &str) -> Membership {
    let system = code_system(url);
    let concept = system.and_then(|system| system.concept(code));
    let mut result = match (system, concept) {
        (Some(_), Some(_)) => Member,
        (Some(system), None) if system.is_complete() => return NotMember,
        _ => of_system(url, code),
    };
    let mut fields = text.split('\t');
    while let (Some(property), Some(operator), Some(value)) =
        (fields.next(), fields.next(), fields.next())
    {
        result = result.and(match (system, concept) {
            _ if url == UNITS && (property, operator) == ("canonical", "=") => {
                let units = ucum::unit(code).zip(ucum::unit(value));
                let same = units.is_some_and(|(unit, other)| unit.is_commensurable(&other));
                same.into()
            }
            (Some(system), Some(concept)) => of_concept(system, concept, property, operator, value),
            _ if matches!(property, "concept" | "code") => of_code(code, operator, value),
            _ => Unknown,
        });
    }
    result
}

/// A filter ([filter-operator](https://hl7.org/fhir/R4/valueset-filter-operator.html))
/// on the code itself.
fn of_code(code: &str, operator: &str, value: &str) -> Membership {
    let listed = || value.split(',').any(|value| value.trim() == code);
    match operator {
        "=" => (code == value).into(),
        "in" => listed().into(),
        "not-in" => (!listed()).into(),
        "regex" => matches_pattern(value, code).map_or(Unknown, Membership::from),
        _ => Unknown,
    }
}

/// A filter on a concept: its code, its place in the hierarchy, its display.
fn of_concept(
    system: CodeSystem,
    concept: Concept,
    property: &str,
    operator: &str,
    value: &str,
) -> Membership {
    let mut parents = concept.parents();
    match (property, operator) {
        ("concept" | "code", "is-a") => system.is_a(concept, value).into(),
        ("concept" | "code", "descendent-of") => system.descends_from(concept, value).into(),
        ("concept" | "code", "is-not-a") => (!system.is_a(concept, value)).into(),
        ("concept" | "code", "generalizes") => system
            .concept(value)
            .map_or(Unknown, |below| system.is_a(below, concept.code()).into()),
        ("concept" | "code", _) => of_code(concept.code(), operator, value),
        ("parent", "=") => parents.any(|parent| parent == value).into(),
        ("parent", "in") => parents
            .any(|parent| value.split(',').any(|value| value.trim() == parent))
            .into(),
        ("parent", "exists") => ((value == "true") == parents.next().is_some()).into(),
        ("display", "=") => (concept.display() == value).into(),
        _ => Unknown,
    }
}

/// Whether a whole text matches a pattern of classes and characters with counts,
/// `[A-Z]{3}`; `None` of a pattern with anything else in it.
fn matches_pattern(pattern: &str, text: &str) -> Option<bool> {
    let (mut pattern, mut text) = (pattern, text.chars());
    let mut matches = true;
    while let Some(first) = pattern.chars().next() {
        let class;
        if let Some(rest) = pattern.strip_prefix('[') {
            (class, pattern) = rest.split_once(']')?;
        } else if first.is_ascii_alphanumeric() {
            (class, pattern) = pattern.split_at_checked(1)?;
        } else {
            return None;
        }
        let mut count = 1;
        if let Some(rest) = pattern.strip_prefix('{') {
            let digits;
            (digits, pattern) = rest.split_once('}')?;
            count = digits.parse::<u32>().ok()?;
        }
        for _ in 0..count {
            matches &= matches && text.next().is_some_and(|c| in_class(class, c));
        }
    }
    Some(matches && text.next().is_none())
}

fn in_class(class: &str, c: char) -> bool {
    let mut members = class.chars();
    while let Some(first) = members.next() {
        let mut ahead = members.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                members = ahead;
                if (first..=last).contains(&c) {
                    return true;
                }
            }
            _ if first == c => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
