//! Checks a resource against a profile, along the tree of the profile.

mod value;

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use super::{
    bundle::Waiting,
    definition::{Element, Profile},
    invariant::Invariant,
    place::Place,
    registry::Registry,
};
use crate::{
    model::{
        Resource, Rule, Severity,
        definition::ElementDef,
        object::{Node, Object, Slot},
    },
    validation::terminology::Memo,
};

/// How deep profiles lead to other profiles over references and slices.
pub(super) const MAX_DEPTH: usize = 8;

/// Something that a profile asks for and a resource does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Its place below the resource; empty for the resource itself.
    pub(super) below: String,
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) expected: String,
    pub(super) found: String,
}

/// What is the same for the whole resource.
#[derive(Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) registry: &'s Registry,
    /// What was found out about codes.
    pub(super) memo: &'s RefCell<Memo>,
    pub(super) resource: &'s dyn Object,
    /// Whether absent elements are absent from the document too, and were not
    /// left out because of another issue.
    pub(super) complete: bool,
    /// Whether absent must-support elements are remarked on.
    pub(super) must_support: bool,
    /// What has been found out about the resources that are referred to.
    pub(super) judged: &'s Judged,
    /// Where references into a Bundle wait for its end; `None` where there is
    /// no Bundle, or where the resource is but tried on a profile.
    pub(super) waiting: Option<Waiting<'s>>,
}

/// Whether resources have what profiles ask for: each asked once, since they may
/// refer to each other in circles.
#[derive(Debug, Default)]
pub(super) struct Judged {
    known: RefCell<HashMap<(usize, String), bool>>,
}

impl Judged {
    /// The verdict on a resource and the profile with this URL. In a circle it
    /// is that the resource conforms.
    pub(super) fn once(
        &self,
        resource: &Resource,
        url: &str,
        judge: impl FnOnce() -> bool,
    ) -> bool {
        // Resources stay where they are while they are judged.
        let key = (std::ptr::from_ref(resource).addr(), url.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        self.known.borrow_mut().insert(key.clone(), true);
        let verdict = judge();
        self.known.borrow_mut().insert(key, verdict);
        verdict
    }
}

/// One pass over the resource with one profile.
pub(super) struct Walk<'s> {
    pub(super) subject: Subject<'s>,
    pub(super) profile: Arc<Profile>,
    pub(super) depth: usize,
    pub(super) findings: Vec<Finding>,
}

/// A value and the type that it has in its element.
#[derive(Clone, Copy)]
pub(super) struct Value<'v> {
    pub(super) node: Node<'v>,
    /// The definition of its element in the base type.
    pub(super) element: Option<&'static ElementDef>,
    /// Index of its type among those of the element.
    pub(super) variant: usize,
}

impl<'v> Value<'v> {
    /// A value that is no element of another: a resource, or what a profile is
    /// tried on.
    pub(super) fn root(node: Node<'v>) -> Self {
        Self {
            node,
            element: None,
            variant: 0,
        }
    }

    /// The name of its type; of a resource that of the resource.
    pub(super) fn type_name(&self) -> &'static str {
        match (self.node, self.element) {
            (Node::Resource(resource), _) => resource.resource_type(),
            (_, Some(element)) => element.types.get(self.variant).map_or("", |of| of.code),
            (Node::Object(object), None) => object.definition().name,
            (Node::Primitive(primitive), None) => primitive.type_name(),
            (Node::Gap, None) => "",
        }
    }

    /// What has its elements: itself, or of a primitive its extensions.
    pub(super) fn object(&self) -> Option<&'v dyn Object> {
        match self.node {
            Node::Object(object) => Some(object),
            Node::Resource(resource) => Some(resource.as_object()),
            Node::Primitive(primitive) => primitive.element(),
            Node::Gap => None,
        }
    }
}

/// The values of an element of an object, gaps left out, each with its index.
pub(super) fn values<'v>(
    object: &'v dyn Object,
    index: usize,
) -> impl Iterator<Item = (usize, Value<'v>)> {
    let slot: &'v dyn Slot = object.slot(index);
    let (element, variant) = (object.definition().elements.get(index), slot.variant());
    (0..slot.len())
        .map(move |position| {
            let node = slot.get(position);
            let value = Value {
                node,
                element,
                variant,
            };
            (position, value)
        })
        .filter(|(_, value)| !matches!(value.node, Node::Gap))
}

/// Checks a value against a profile; what was found, with places as seen from
/// `place`.
pub(super) fn check(
    subject: Subject<'_>,
    profile: &Arc<Profile>,
    value: Value<'_>,
    place: &Place<'_>,
    depth: usize,
) -> Vec<Finding> {
    let mut walk = Walk {
        subject,
        profile: Arc::clone(profile),
        depth,
        findings: Vec::new(),
    };
    walk.content(&Arc::clone(profile).root, value, place);
    walk.findings
}

impl Walk<'_> {
    /// Whether a value has what a profile asks for. A profile that is not known
    /// or too deep asks for nothing.
    pub(super) fn conforms(&self, url: &str, value: Value<'_>) -> bool {
        if self.depth >= MAX_DEPTH {
            return true;
        }
        match self.subject.registry.profile(url) {
            Some(Ok(profile)) => {
                let subject = Subject {
                    waiting: None,
                    ..self.subject
                };
                let judge = || {
                    let found = check(subject, &profile, value, &Place::ROOT, self.depth + 1);
                    !found.iter().any(|finding| finding.severity.is_error())
                };
                match value.node {
                    Node::Resource(resource) => subject.judged.once(resource, url, judge),
                    _ => judge(),
                }
            }
            _ => true,
        }
    }

    /// Constraints and elements of a value.
    pub(super) fn content(&mut self, rules: &Element, value: Value<'_>, place: &Place<'_>) {
        for invariant in &rules.invariants {
            self.invariant(invariant, value, place);
        }
        let object = value.object();
        let fits = match (object, rules.content) {
            (Some(object), Some(content)) => object.definition().index == content.index,
            // A primitive without extensions lacks them all.
            (None, Some(content)) => content.name == "Element",
            (_, None) => false,
        };
        if fits {
            for child in &rules.children {
                self.element(child, object, place);
            }
        }
    }

    fn invariant(&mut self, invariant: &Invariant, value: Value<'_>, place: &Place<'_>) {
        let constraint = invariant.constraint;
        let (rule, severity, expected, found) =
            match invariant.holds(value.node, self.subject.resource) {
                Ok(true) => return,
                Ok(false) => (
                    Rule::Constraint(constraint),
                    constraint.severity,
                    constraint.human.trim_end_matches('.').to_owned(),
                    format!("that {} does not hold", constraint.expression),
                ),
                Err(refusal) => (
                    Rule::ProfileUnknown,
                    Severity::Warning,
                    "a constraint that can be checked".to_owned(),
                    format!("{}: {refusal}", constraint.key),
                ),
            };
        let expected = format!("{expected}{}", self.of_profile());
        self.report(place, rule, severity, expected, found);
    }

    /// An element of an object: how often it stands, and each of its values.
    fn element(&mut self, rules: &Element, object: Option<&dyn Object>, place: &Place<'_>) {
        let mut count = 0;
        if let Some(object) = object {
            for (position, value) in values(object, rules.index) {
                count += 1;
                self.value(rules, value, &at(rules, place, position));
            }
        }
        let base_min = rules.base_min();
        if count < rules.min && count >= base_min {
            self.missing(rules, count, place);
        } else if rules.max.is_some_and(|max| count > max) {
            self.too_many(rules, count, place);
        } else if count == 0 && rules.must_support && self.subject.must_support {
            let expected = format!(
                "a value if there is one, because the profile marks it as must support{}",
                self.of_profile()
            );
            let place = place.child(&rules.name, None);
            self.report(
                &place,
                Rule::MustSupport,
                Severity::Information,
                expected,
                "nothing".to_owned(),
            );
        }
        if let Some(slicing) = &rules.slicing {
            let mut values = object
                .into_iter()
                .flat_map(|object| values(object, rules.index));
            self.slices(rules, slicing, &mut values, place);
        }
    }

    pub(super) fn missing(&mut self, rules: &Element, count: u32, place: &Place<'_>) {
        // What was there and could not be kept has been reported.
        if !self.subject.complete {
            return;
        }
        let expected = format!(
            "at least {} {}{}",
            rules.min,
            named(rules),
            self.of_profile()
        );
        let found = match count {
            0 => "nothing".to_owned(),
            count => count.to_string(),
        };
        let place = place.child(&rules.name, None);
        self.report(
            &place,
            Rule::ProfileCardinality,
            Severity::Error,
            expected,
            found,
        );
    }

    pub(super) fn too_many(&mut self, rules: &Element, count: u32, place: &Place<'_>) {
        let max = rules.max.unwrap_or_default();
        let expected = match max {
            0 => format!("no {}{}", named(rules), self.of_profile()),
            max => format!("at most {max} {}{}", named(rules), self.of_profile()),
        };
        let place = place.child(&rules.name, None);
        self.report(
            &place,
            Rule::ProfileCardinality,
            Severity::Error,
            expected,
            count.to_string(),
        );
    }

    /// ` (profile …)`, to end what was expected.
    pub(super) fn of_profile(&self) -> String {
        format!(" (profile {})", self.profile.url)
    }

    pub(super) fn report(
        &mut self,
        place: &Place<'_>,
        rule: Rule,
        severity: Severity,
        expected: String,
        found: String,
    ) {
        self.findings.push(Finding {
            below: place.below(),
            rule,
            severity,
            expected,
            found,
        });
    }
}

/// The place of one of the values of an element.
pub(super) fn at<'p>(rules: &'p Element, place: &'p Place<'p>, position: usize) -> Place<'p> {
    let many = rules.base.is_some_and(|base| base.many);
    place.child(&rules.name, many.then_some(position))
}

/// `category`, or `category of the slice VSCat`.
fn named(rules: &Element) -> String {
    match &rules.slice {
        Some(slice) => format!("{} of the slice {slice}", rules.name),
        None => rules.name.clone(),
    }
}
