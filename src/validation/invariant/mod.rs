//! The constraints of the base types and resources: their
//! [invariants](https://hl7.org/fhir/R4/conformance-rules.html#constraints).
//!
//! The generator compiles most of them to functions over the typed model; a
//! few are written by hand ([`by_hand`]), those about contained resources
//! among them ([`contained`]). `ele-1` and the narrative (`txt-1`, `txt-2`) are
//! the reader's. A constraint whose result is empty holds.

mod by_hand;
mod contained;
mod patterns;
mod support;

use std::sync::OnceLock;

use crate::model::{Constraint, Rule, Severity, definition::Kind, object::Object, reader::At};

/// The compiled constraints: `check`, and the index of each in [`constraints`].
#[allow(
    clippy::all,
    dead_code,
    unreachable_code,
    unused_labels,
    unused_imports,
    unused_parens,
    unused_braces,
    unused_variables,
    reason = "generated code"
)]
mod compiled {
    use super::{Failed, by_hand, patterns::*, support::*};
    use crate::model::{object::Object, *};

    include!(concat!(env!("OUT_DIR"), "/fhir/invariants.rs"));
}

/// The element of an object that a constraint is of, and its index.
type Below = (&'static str, Option<usize>);

/// What one object breaks: indexes of constraints.
#[derive(Debug, Default)]
struct Failed {
    list: Vec<(u16, Option<Below>)>,
}

impl Failed {
    #[cold]
    fn add(&mut self, constraint: u16) {
        self.list.push((constraint, None));
    }

    #[cold]
    fn add_below(&mut self, constraint: u16, element: &'static str, index: Option<usize>) {
        self.list.push((constraint, Some((element, index))));
    }
}

/// The notes of one document.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    /// References to contained resources in what is still open.
    local_references: usize,
}

impl Invariants {
    /// Checks an object that has been read. `best_practice` turns on the
    /// constraints that are but good practice, as information.
    pub(super) fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>, best_practice: bool) {
        let definition = object.definition();
        if definition.kind == Kind::Resource {
            self.resource(object, at, best_practice);
        } else if definition.name == "Reference" && contained::is_local(object) {
            self.local_references += 1;
        }
        if !at.is_complete() {
            return;
        }
        let mut failed = Failed::default();
        compiled::check(definition.index, object, &mut failed);
        if definition.kind == Kind::Resource
            && let Some(structure) = object.as_any().downcast_ref()
        {
            by_hand::paths(structure, &mut failed);
        }
        for (index, below) in failed.list {
            report(index, below, object, at, best_practice);
        }
    }

    /// The constraints that need the whole resource.
    fn resource(&mut self, object: &dyn Object, at: &mut At<'_, '_>, best_practice: bool) {
        let inside = at.path().next_back();
        if inside.is_some_and(|(_, element, _)| element.name == "contained") {
            return;
        }
        let contained = object.get("contained").filter(|slot| !slot.is_empty());
        if contained.is_some() || self.local_references > 0 {
            let contained = contained::check(object);
            self.local_references = self.local_references.saturating_sub(contained.references);
            // What could not be read may be what is missed.
            if !at.is_complete() {
                return;
            }
            for (index, below) in contained.failed {
                if let Some(constraint) = constraint(index) {
                    let found = match below.is_empty() {
                        true => "a resource of which this is not so".to_owned(),
                        false => "a reference of which this is not so".to_owned(),
                    };
                    report_at(constraint, Some(&below), found, at);
                }
            }
        }
        if best_practice && at.is_complete() && contained::has_no_narrative(object) {
            report(compiled::DOM_6, None, object, at, best_practice);
        }
    }
}

#[cold]
fn report(
    index: u16,
    below: Option<Below>,
    object: &dyn Object,
    at: &mut At<'_, '_>,
    best_practice: bool,
) {
    let parent = at.path().next_back().map(|(parent, ..)| parent.name);
    let Some(constraint) = constraint(index).and_then(|found| in_place(found, parent)) else {
        return;
    };
    if constraint.severity == Severity::Information && !best_practice {
        return;
    }
    let (below, of) = match below {
        None => (None, object.definition().name),
        Some((element, None)) => (Some(element.to_owned()), element),
        Some((element, Some(index))) => (Some(format!("{element}[{index}]")), element),
    };
    let article = if of.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    let found = format!("{article} {of} of which this is not so");
    report_at(constraint, below.as_deref(), found, at);
}

#[cold]
fn report_at(
    constraint: &'static Constraint,
    below: Option<&str>,
    found: String,
    at: &mut At<'_, '_>,
) {
    let (rule, severity) = (Rule::Constraint(constraint), constraint.severity);
    let expected = phrase(constraint.human);
    match below.filter(|below| !below.is_empty()) {
        Some(below) => at.report_below(below, rule, severity, expected, found),
        None => at.report(rule, severity, expected, found),
    }
}

/// What a constraint asks for, as the rest of "expected …".
fn phrase(human: &str) -> String {
    let human = human.trim_end_matches('.');
    let mut chars = human.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        // Not the first letter of an abbreviation or of a name like fullUrl.
        (Some(first), Some(second)) if !second.is_uppercase() && !starts_with_type(human) => {
            format!(
                "that {}{}",
                first.to_lowercase(),
                human.get(first.len_utf8()..).unwrap_or_default()
            )
        }
        _ => format!("that {human}"),
    }
}

fn starts_with_type(human: &str) -> bool {
    let word = human.split([' ', '.', ',']).next().unwrap_or_default();
    crate::model::type_def(word).is_some()
}

/// Elements that refer to another have the same constraints under other keys:
/// which one it is says the type that has the element.
fn in_place(constraint: &'static Constraint, parent: Option<&str>) -> Option<&'static Constraint> {
    let key = match (constraint.key, parent) {
        ("tst-7", Some("TestScript.test.action")) => "tst-8",
        ("tst-7", Some("TestScript.teardown.action")) => "tst-9",
        ("tst-5", Some("TestScript.test.action")) => "tst-6",
        ("tst-10", Some("TestScript.test.action")) => "tst-11",
        ("tst-12", Some("TestScript.test.action")) => "tst-13",
        _ => return Some(constraint),
    };
    constraints()
        .iter()
        .find(|constraint| constraint.key == key)
}

fn constraint(index: u16) -> Option<&'static Constraint> {
    constraints().get(usize::from(index))
}

/// The constraints of the base types and resources that are checked.
pub fn constraints() -> &'static [Constraint] {
    // Read when the first one is broken: nothing of it is done at the start.
    static CONSTRAINTS: OnceLock<Vec<Constraint>> = OnceLock::new();
    CONSTRAINTS.get_or_init(|| TEXT.lines().map(parse_constraint).collect())
}

const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/fhir/constraints.txt"));

/// The types, and the paths of the elements, that have the constraint with this
/// key: `Period`, `Observation.referenceRange`.
pub fn constrained(key: &str) -> Vec<&'static str> {
    let lines = TEXT.lines().map(|line| line.split('\t'));
    lines
        .filter_map(|mut fields| {
            let known = fields.next()?;
            fields.next_back().filter(|_| known == key)
        })
        .flat_map(str::split_whitespace)
        .collect()
}

fn parse_constraint(line: &'static str) -> Constraint {
    let mut fields = line.split('\t');
    let mut next = || fields.next().unwrap_or_default();
    let (key, severity, best_practice, human, expression) =
        (next(), next(), next(), next(), next());
    Constraint {
        key,
        severity: match (severity, best_practice) {
            (_, "best") => Severity::Information,
            ("warning", _) => Severity::Warning,
            _ => Severity::Error,
        },
        human,
        expression,
    }
}
