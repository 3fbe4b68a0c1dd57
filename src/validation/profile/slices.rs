//! Slicing: which slice a value belongs to, and what the slices ask for
//! ([slicing](https://hl7.org/fhir/R4/profiling.html#slicing)).

use serde_json::Value as Json;

use super::{
    definition::{Element, Slicing, SlicingRules, Target},
    discriminator::{Discriminator, Kind, Step},
    equality::{Comparison, agrees},
    load,
    place::Place,
    reference,
    walk::{Value, Walk, at, values},
};
use crate::{
    model::{Extension, Reference, Rule, Severity, definition::BindingStrength, object::Node},
    validation::terminology::Membership,
};

/// Whether a value belongs to a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// What it takes to know is not in the document.
    Unknown,
    /// The slice says nothing about this.
    Silent,
}

impl Match {
    /// Of several values one has to match.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, _) | (_, Self::No) => Self::No,
            _ => Self::Silent,
        }
    }

    /// Of several discriminators all have to match.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            _ => Self::Silent,
        }
    }
}

impl From<bool> for Match {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// What a slice says about a place below its values.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted<'e> {
    /// The element there.
    rules: Option<&'e Element>,
    /// The part of a fixed value or a pattern above that is about it.
    part: Option<(&'e Json, Comparison)>,
}

impl<'e> Wanted<'e> {
    fn of(rules: &'e Element) -> Self {
        let fixed = rules.fixed.as_ref().map(|value| (value, Comparison::Fixed));
        let pattern = || {
            rules
                .pattern
                .as_ref()
                .map(|value| (value, Comparison::Pattern))
        };
        Self {
            rules: Some(rules),
            part: fixed.or_else(pattern),
        }
    }
}

impl Walk<'_> {
    /// The values of a sliced element, or of a slice that is sliced again, each
    /// with its index in the element.
    pub(super) fn slices<'v>(
        &mut self,
        rules: &Element,
        slicing: &Slicing,
        values: &mut dyn Iterator<Item = (usize, Value<'v>)>,
        place: &Place<'_>,
    ) {
        // Values of slices that are sliced again, each with its slice.
        let mut again = Vec::new();
        let mut counts = vec![0_u32; rules.slices.len()];
        let (mut last, mut outside, mut unknown) = (0, false, false);
        for (position, value) in values {
            let value_place = at(rules, place, position);
            match self.slice_of(rules, slicing, value) {
                Ok(Some(slice)) => {
                    if outside && slicing.rules == SlicingRules::OpenAtEnd {
                        let expected = "values of no slice at the end".to_owned();
                        self.sliced(&value_place, expected, name(rules, slice));
                    }
                    if slicing.ordered && slice < last {
                        let expected =
                            format!("the slices in their order, {} first", name(rules, slice));
                        self.sliced(
                            &value_place,
                            expected,
                            format!("{} before it", name(rules, last)),
                        );
                    }
                    last = last.max(slice);
                    if let Some(count) = counts.get_mut(slice) {
                        *count += 1;
                    }
                    if let Some(rules) = rules.slices.get(slice) {
                        self.value(rules, value, &value_place);
                        if rules.slicing.is_some() {
                            again.push((slice, (position, value)));
                        }
                    }
                }
                Ok(None) => {
                    outside = true;
                    // A value of another type is reported as such.
                    let typed = !rules.types.is_empty()
                        && rules.base.is_some_and(|base| base.choice)
                        && !rules.types.iter().any(|of| of.code == value.type_name());
                    if slicing.rules == SlicingRules::Closed && !typed {
                        let names: Vec<String> = (0..rules.slices.len())
                            .map(|slice| name(rules, slice))
                            .collect();
                        let expected = format!("a value of one of the slices {}", names.join(", "));
                        self.sliced(&value_place, expected, "a value of none".to_owned());
                    }
                }
                Err(Unresolved) => unknown = true,
            }
        }
        for (index, (slice, count)) in rules.slices.iter().zip(counts).enumerate() {
            if let Some(slicing) = &slice.slicing
                && !unknown
            {
                let own = again.iter().filter(|(of, _)| *of == index);
                let mut own = own.map(|(_, value)| *value);
                self.slices(slice, slicing, &mut own, place);
            }
            if count < slice.min && !unknown {
                self.missing(slice, count, place);
            } else if slice.max.is_some_and(|max| count > max) {
                self.too_many(slice, count, place);
            }
        }
    }

    fn sliced(&mut self, place: &Place<'_>, expected: String, found: String) {
        let expected = format!("{expected}{}", self.of_profile());
        self.report(
            place,
            Rule::ProfileSlicing,
            Severity::Error,
            expected,
            found,
        );
    }

    /// The slice that a value belongs to, if to any.
    fn slice_of(
        &self,
        rules: &Element,
        slicing: &Slicing,
        value: Value<'_>,
    ) -> Result<Option<usize>, Unresolved> {
        let mut unknown = false;
        for (index, slice) in rules.slices.iter().enumerate() {
            let matches = slicing
                .discriminators
                .iter()
                .map(|discriminator| self.discriminates(discriminator, slice, value))
                .fold(Match::Silent, Match::and);
            match matches {
                Match::Yes => return Ok(Some(index)),
                Match::Unknown => unknown = true,
                // Nothing tells this slice from others.
                Match::Silent => unknown = true,
                Match::No => {}
            }
        }
        if unknown { Err(Unresolved) } else { Ok(None) }
    }

    fn discriminates(&self, by: &Discriminator, slice: &Element, value: Value<'_>) -> Match {
        self.follow(by.kind, &by.path, Wanted::of(slice), value)
    }

    /// Follows a path from a value, in the document and in the slice at once,
    /// and compares at its end.
    fn follow(&self, kind: Kind, path: &[Step], wanted: Wanted<'_>, value: Value<'_>) -> Match {
        let Some((step, rest)) = path.split_first() else {
            return self.compare(kind, wanted, value);
        };
        match step {
            Step::OfType(name) => match value.type_name() == name {
                true => self.follow(kind, rest, wanted, value),
                false => Match::No,
            },
            Step::Resolve => self.resolved(kind, rest, wanted, value),
            Step::Child(name) => {
                let url = self.extension_url(name, wanted);
                if let Some(url) = &url {
                    let part = (url, Comparison::Fixed);
                    let wanted = Wanted {
                        rules: None,
                        part: Some(part),
                    };
                    return self.children(kind, (name, None), rest, wanted, value);
                }
                self.child(kind, name, None, rest, wanted, value)
            }
            Step::Extension(url) => self.child(kind, "extension", Some(url), rest, wanted, value),
        }
    }

    /// A step to a child: what the slice says about it, in the slice itself or in
    /// the profile of its type.
    fn child(
        &self,
        kind: Kind,
        name: &str,
        url: Option<&str>,
        rest: &[Step],
        wanted: Wanted<'_>,
        value: Value<'_>,
    ) -> Match {
        let part = wanted
            .part
            .and_then(|(part, comparison)| Some((part_of(part, name)?, comparison)));
        let own = wanted.rules.and_then(|rules| rules.child(name));
        let profile = match (own, wanted.rules.map(|rules| rules.types.as_slice())) {
            (None, Some([of])) if of.profiles.len() == 1 => of
                .profiles
                .first()
                .and_then(|url| self.subject.registry.profile(url)?.ok()),
            _ => None,
        };
        let rules = own.or_else(|| profile.as_ref()?.root.child(name));
        let rules = match (url, rules) {
            (Some(url), Some(rules)) => rules.slices.iter().find(|slice| is_extension(slice, url)),
            (_, rules) => rules,
        };
        let below = match rules {
            Some(rules) => {
                let below = Wanted::of(rules);
                Wanted {
                    part: part.or(below.part),
                    ..below
                }
            }
            None => Wanted { rules: None, part },
        };
        self.children(kind, (name, url), rest, below, value)
    }

    /// The values of a child, of which one has to match.
    fn children(
        &self,
        kind: Kind,
        (name, url): (&str, Option<&str>),
        rest: &[Step],
        wanted: Wanted<'_>,
        value: Value<'_>,
    ) -> Match {
        let found = value.object().and_then(|object| {
            object
                .definition()
                .element(name)
                .map(|(index, _)| (object, index))
        });
        let mut result = Match::Silent;
        let mut any = false;
        if let Some((object, index)) = found {
            for (_, child) in values(object, index).filter(|(_, child)| has_url(*child, url)) {
                any = true;
                result = result.or(self.follow(kind, rest, wanted, child));
                // Slices of the child that must be there tell as well.
                let slices = wanted
                    .rules
                    .map_or(&[] as &[Element], |rules| &rules.slices);
                for slice in slices.iter().filter(|slice| slice.min > 0) {
                    result = result.or(self.follow(kind, rest, Wanted::of(slice), child));
                }
            }
        }
        match (any, kind) {
            (true, _) => result,
            (false, Kind::Exists) => exists(wanted, rest, false),
            (false, _) => Match::No,
        }
    }

    fn resolved(&self, kind: Kind, rest: &[Step], wanted: Wanted<'_>, value: Value<'_>) -> Match {
        let reference = value
            .object()
            .and_then(|object| object.as_any().downcast_ref::<Reference>());
        let Some(reference) = reference else {
            return Match::No;
        };
        let target = reference::target(reference, self.subject.resource);
        if kind == Kind::Type && rest.is_empty() {
            return match (wanted.rules, reference::type_name(reference, target)) {
                (Some(rules), Some(name)) => self.refers_to(rules, name),
                _ => Match::Unknown,
            };
        }
        let Some(target) = target else {
            return Match::Unknown;
        };
        let target = Value::root(Node::Resource(target));
        let profiles = wanted.rules.into_iter().flat_map(|rules| &rules.types);
        let profiles =
            profiles
                .flat_map(|of| of.targets.iter())
                .filter_map(|target| match target {
                    Target::Profile(url) => Some(url),
                    Target::Type(_) => None,
                });
        let mut result = Match::Silent;
        for url in profiles {
            result = result.or(match self.subject.registry.profile(url) {
                Some(Ok(_)) if kind == Kind::Profile && rest.is_empty() => {
                    self.conforms(url, target).into()
                }
                Some(Ok(profile)) => self.follow(kind, rest, Wanted::of(&profile.root), target),
                _ => Match::Unknown,
            });
        }
        result
    }

    /// Whether a slice allows a reference to a type.
    fn refers_to(&self, rules: &Element, name: &str) -> Match {
        let mut result = Match::Silent;
        for target in rules.types.iter().flat_map(|of| of.targets.iter()) {
            result = result.or(match target {
                Target::Type(known) => (*known == name).into(),
                Target::Profile(url) => match self.subject.registry.profile(url) {
                    Some(Ok(profile)) => (profile.of.name == name).into(),
                    _ => Match::Unknown,
                },
            });
        }
        result
    }

    fn compare(&self, kind: Kind, wanted: Wanted<'_>, value: Value<'_>) -> Match {
        let rules = wanted.rules;
        match kind {
            Kind::Exists => exists(wanted, &[], true),
            Kind::Type => match rules.map(|rules| rules.types.as_slice()) {
                None | Some([]) => Match::Silent,
                Some(types) => types.iter().any(|of| of.code == value.type_name()).into(),
            },
            Kind::Profile => {
                let types = rules.into_iter().flat_map(|rules| &rules.types);
                types
                    .flat_map(|of| &of.profiles)
                    .fold(Match::Silent, |result, url| {
                        result.or(match self.subject.registry.profile(url) {
                            Some(Ok(_)) => self.conforms(url, value).into(),
                            _ => Match::Unknown,
                        })
                    })
            }
            Kind::Value => match (wanted.part, rules) {
                (Some((part, comparison)), _) => part_agrees(value.node, part, comparison).into(),
                (None, Some(rules)) => self.compare_rules(rules, value),
                (None, None) => Match::Silent,
            },
        }
    }

    /// A value that is neither fixed nor has a pattern: a required value set
    /// tells, or what its children fix.
    fn compare_rules(&self, rules: &Element, value: Value<'_>) -> Match {
        let binding = rules
            .binding
            .as_ref()
            .filter(|binding| binding.strength == BindingStrength::Required);
        let mut result =
            match binding.map(|binding| self.membership(&binding.value_set, value.node)) {
                None | Some(None) => Match::Silent,
                Some(Some(Membership::Member)) => Match::Yes,
                Some(Some(Membership::NotMember)) => Match::No,
                Some(Some(Membership::Unknown)) => Match::Unknown,
            };
        let required = |rules: &&Element| rules.min > 0;
        for child in rules.children.iter().filter(required) {
            let below = self.children(
                Kind::Value,
                (&child.name, None),
                &[],
                Wanted::of(child),
                value,
            );
            result = result.and(below);
        }
        result
    }

    /// The URL of an extension whose slice says only which profile it has.
    fn extension_url(&self, name: &str, wanted: Wanted<'_>) -> Option<Json> {
        let rules = wanted
            .rules
            .filter(|rules| name == "url" && rules.child(name).is_none())?;
        let profile = rules.types.iter().find_map(|of| of.profiles.first())?;
        Some(Json::from(load::without_version(profile)))
    }
}

/// What takes more than the document to know.
struct Unresolved;

fn name(rules: &Element, slice: usize) -> String {
    let slice = rules
        .slices
        .get(slice)
        .and_then(|slice| slice.slice.clone());
    slice.unwrap_or_default()
}

/// Whether a slice wants something to be there that is (`present`) or is not.
fn exists(wanted: Wanted<'_>, rest: &[Step], present: bool) -> Match {
    let rules = match rest {
        [] => wanted.rules,
        rest => rest
            .iter()
            .try_fold(wanted.rules, |rules, step| match step {
                Step::Child(name) => Some(rules.and_then(|rules| rules.child(name))),
                _ => None,
            })
            .flatten(),
    };
    match rules {
        Some(rules) if rules.max == Some(0) => (!present).into(),
        Some(rules) if rules.min > 0 => present.into(),
        _ => Match::Silent,
    }
}

/// The part of a value that is about a child, whose name may have a type behind it.
fn part_of<'j>(value: &'j Json, name: &str) -> Option<&'j Json> {
    match value {
        Json::Object(members) => members.get(name).or_else(|| {
            let choice = |key: &str| {
                key.strip_prefix(name).is_some_and(|rest| {
                    rest.starts_with(|letter: char| letter.is_ascii_uppercase())
                })
            };
            members
                .iter()
                .find(|(key, _)| choice(key))
                .map(|(_, value)| value)
        }),
        // Of a list the first entry that says something.
        Json::Array(entries) => entries.iter().find_map(|entry| part_of(entry, name)),
        _ => None,
    }
}

/// A part that is a list is about each of the values: one of its entries agrees.
fn part_agrees(node: Node<'_>, part: &Json, comparison: Comparison) -> bool {
    match part {
        Json::Array(entries) => entries.iter().any(|entry| agrees(node, entry, comparison)),
        part => agrees(node, part, comparison),
    }
}

fn is_extension(slice: &Element, url: &str) -> bool {
    let profiles = slice.types.iter().flat_map(|of| &of.profiles);
    let fixed = slice
        .child("url")
        .and_then(|child| child.fixed.as_ref()?.as_str());
    fixed == Some(url) || profiles.into_iter().any(|profile| profile == url)
}

fn has_url(value: Value<'_>, url: Option<&str>) -> bool {
    let Some(url) = url else { return true };
    value
        .object()
        .and_then(|object| object.as_any().downcast_ref::<Extension>())
        .is_some_and(|extension| extension.url.as_deref() == Some(url))
}
