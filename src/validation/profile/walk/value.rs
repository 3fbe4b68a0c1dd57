//! What a profile asks of one value: its type, what is fixed, its binding, its
//! range and length.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{
    super::{
        definition::{Binding, Element},
        equality::{Comparison, agrees},
        place::Place,
        range, reference,
    },
    MAX_DEPTH, Value, Walk, check,
};
use crate::{
    model::{
        CodeableConcept, Coding, Quantity, Rule, Severity,
        definition::BindingStrength,
        object::{self, Node},
    },
    validation::terminology::{Membership, Memo},
};

/// Most characters of a value in a message.
const MAX_SHOWN: usize = 80;

impl Walk<'_> {
    /// A value of an element, or of a slice of it.
    pub(in super::super) fn value(&mut self, rules: &Element, value: Value<'_>, place: &Place<'_>) {
        if !self.of_allowed_type(rules, value, place) {
            return;
        }
        self.equal(rules, value, place);
        for binding in rules.binding.iter().chain(&rules.limit) {
            self.bound(binding, value, place);
        }
        if let Node::Primitive(primitive) = value.node
            && let (Some(max), Some(text)) = (rules.max_length, primitive.text())
        {
            let length = text.chars().count();
            if length > max {
                let expected = format!("at most {max} characters{}", self.of_profile());
                self.error(place, Rule::ProfileLength, expected, length.to_string());
            }
        }
        for (bound, low) in [(&rules.lowest, true), (&rules.highest, false)] {
            if let Some(bound) = bound
                && range::outside(value.node, bound, low)
            {
                let word = if low { "least" } else { "most" };
                let expected = format!("at {word} {}{}", shown(bound), self.of_profile());
                self.error(place, Rule::ProfileRange, expected, said(value.node));
            }
        }
        self.content(rules, value, place);
    }

    fn error(&mut self, place: &Place<'_>, rule: Rule, expected: String, found: String) {
        self.report(place, rule, Severity::Error, expected, found);
    }

    fn equal(&mut self, rules: &Element, value: Value<'_>, place: &Place<'_>) {
        if let Some(fixed) = &rules.fixed
            && !agrees(value.node, fixed, Comparison::Fixed)
        {
            let expected = format!("exactly {}{}", shown(fixed), self.of_profile());
            self.error(place, Rule::ProfileFixed, expected, said(value.node));
        }
        if let Some(pattern) = &rules.pattern
            && !agrees(value.node, pattern, Comparison::Pattern)
        {
            let expected = format!("at least {}{}", shown(pattern), self.of_profile());
            self.error(place, Rule::ProfilePattern, expected, said(value.node));
        }
    }

    /// Whether the value has one of the allowed types; then also its profiles
    /// and what it refers to.
    fn of_allowed_type(&mut self, rules: &Element, value: Value<'_>, place: &Place<'_>) -> bool {
        if rules.types.is_empty() {
            return true;
        }
        let name = value.type_name();
        // Backbone elements and inherited types have other names in the model.
        let single =
            !rules.base.is_some_and(|base| base.choice) && !matches!(value.node, Node::Resource(_));
        let mut matching = rules.types.iter().filter(|of| {
            of.code == name
                || single
                || (of.code == "Resource" && matches!(value.node, Node::Resource(_)))
        });
        let Some(of) = matching.next() else {
            let codes: Vec<&str> = rules.types.iter().map(|of| of.code.as_str()).collect();
            let expected = format!("the type {}{}", codes.join(" or "), self.of_profile());
            self.error(place, Rule::ProfileType, expected, name.to_owned());
            return false;
        };
        match of.profiles.as_slice() {
            [] => {}
            [only] => self.nested(only, value, place),
            several => {
                if !several.iter().any(|url| self.conforms(url, value)) {
                    let of = self.of_profile();
                    let expected = format!("what one of {} asks for{of}", several.join(", "));
                    self.error(place, Rule::ProfileType, expected, said(value.node));
                }
            }
        }
        if !of.targets.is_empty()
            && let Some(found) = reference::mismatch(self, &of.targets, value, place)
        {
            let expected = format!(
                "a reference to {}{}",
                reference::names(&of.targets),
                self.of_profile()
            );
            self.error(place, Rule::ProfileType, expected, found);
        }
        true
    }

    /// A value that must have a profile of its own.
    fn nested(&mut self, url: &str, value: Value<'_>, place: &Place<'_>) {
        if self.depth < MAX_DEPTH
            && let Some(Ok(profile)) = self.subject.registry.profile(url)
            && value
                .object()
                .is_none_or(|object| object.definition().index == profile.of.index)
        {
            let found = check(self.subject, &profile, value, place, self.depth + 1);
            self.findings.extend(found);
        }
    }

    fn bound(&mut self, binding: &Binding, value: Value<'_>, place: &Place<'_>) {
        let membership = self.membership(&binding.value_set, value.node);
        let (severity, word) = match binding.strength {
            BindingStrength::Required => (Severity::Error, "a code"),
            BindingStrength::Extensible => (Severity::Warning, "a code, if one applies,"),
            BindingStrength::Preferred => (Severity::Information, "preferably a code"),
            BindingStrength::Example => return,
        };
        if membership == Some(Membership::NotMember) {
            let expected = format!("{word} of {}{}", binding.value_set, self.of_profile());
            self.report(
                place,
                Rule::ProfileBinding,
                severity,
                expected,
                coded(value.node),
            );
        }
    }

    /// Whether a value has a code of a value set; `None` for what has no codes.
    pub(in super::super) fn membership(
        &self,
        value_set: &str,
        node: Node<'_>,
    ) -> Option<Membership> {
        let member = |system: Option<&str>, code: &str| {
            let found = || self.subject.registry.member(value_set, system, code);
            let question = match system {
                None => Memo::CODE_OF_NAMED_SET,
                Some(_) => Memo::CODING_OF_NAMED_SET,
            };
            let texts = [value_set, system.unwrap_or_default(), code];
            match self.subject.memo.borrow_mut().finding(question, texts) {
                Some(finding) => *finding.get_or_insert_with(found),
                None => found(),
            }
        };
        let coding = |coding: &Coding| match coding.code.as_deref() {
            Some(code) => member(coding.system.as_deref(), code),
            None => Membership::NotMember,
        };
        match node {
            Node::Primitive(primitive) => {
                let text = primitive.text()?;
                matches!(
                    primitive.type_name(),
                    "code" | "string" | "uri" | "markdown" | "canonical"
                )
                .then(|| member(None, &text))
            }
            Node::Object(object) => {
                let any = object.as_any();
                if let Some(concept) = any.downcast_ref::<CodeableConcept>() {
                    let mut result = Membership::NotMember;
                    for entry in &concept.coding {
                        match coding(entry) {
                            Membership::Member => return Some(Membership::Member),
                            Membership::Unknown => result = Membership::Unknown,
                            Membership::NotMember => {}
                        }
                    }
                    Some(result)
                } else if let Some(entry) = any.downcast_ref::<Coding>() {
                    Some(coding(entry))
                } else if let Some(quantity) = any.downcast_ref::<Quantity>() {
                    let code = quantity.code.as_deref()?;
                    Some(member(quantity.system.as_deref(), code))
                } else {
                    None
                }
            }
            Node::Resource(_) | Node::Gap => None,
        }
    }
}

/// A value of a definition, in a message.
fn shown(value: &Json) -> String {
    shortened(Cow::Owned(value.to_string()))
}

/// A value of the document, in a message.
fn said(node: Node<'_>) -> String {
    match node {
        Node::Primitive(primitive) => match primitive.text() {
            Some(text) => shortened(Cow::Owned(format!("{text:?}"))),
            None => "no value".to_owned(),
        },
        Node::Object(object) => shortened(Cow::Owned(object::json(object))),
        Node::Resource(resource) => format!("a {}", resource.resource_type()),
        Node::Gap => "nothing".to_owned(),
    }
}

/// The codes of a value, in a message.
fn coded(node: Node<'_>) -> String {
    match node {
        Node::Object(object) => match object.as_any().downcast_ref::<CodeableConcept>() {
            Some(concept) if concept.coding.is_empty() => "no code".to_owned(),
            _ => said(node),
        },
        _ => said(node),
    }
}

fn shortened(text: Cow<'_, str>) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}
