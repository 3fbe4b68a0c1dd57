//! Bindings, and the codes of known code systems
//! ([terminologies](https://hl7.org/fhir/R4/terminologies.html)).
//!
//! A CodeableConcept is checked with its codings when it closes, a Coding or
//! Quantity likewise. A code, string or URI is checked when the object that has
//! it closes, unless its list is closed: that the reader does.

mod binding;
mod coding;
mod memo;
mod unit;

pub use crate::model::terminology::{Membership, member};

use std::cell::RefCell;

use crate::model::{
    CodeableConcept, Coding,
    definition::BindingDef,
    object::{Node, Object},
    reader::At,
};
pub(super) use memo::Memo;

/// What is kept from one object to the next.
#[derive(Debug)]
pub(super) struct Terminology {
    /// Whether the reader reported an error in a coding of the concept that is
    /// still open: what it lacks for a binding would be said twice.
    broken: bool,
    memo: RefCell<Memo>,
}

impl Terminology {
    /// Goes on with what was found out in other documents.
    pub(super) fn new(memo: Memo) -> Self {
        Self {
            broken: false,
            memo: RefCell::new(memo),
        }
    }

    /// What was found out, for the next document.
    pub(super) fn into_memo(self) -> Memo {
        self.memo.into_inner()
    }

    /// What was found out so far, for who asks about codes too.
    pub(super) fn memo(&self) -> &RefCell<Memo> {
        &self.memo
    }

    /// Checks an object that closes.
    #[inline]
    pub(super) fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        let definition = object.definition();
        match definition.name {
            "Coding" => self.coding(object, at),
            "CodeableConcept" => self.codeable_concept(object, at),
            "Quantity" | "Age" | "Count" | "Distance" | "Duration" => unit::check(object, at),
            _ => {}
        }
        if !definition.coded.is_empty() {
            self.primitives(object, at);
        }
    }

    /// A Coding that stands alone, or whose CodeableConcept will close soon.
    fn coding(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        self.broken |= !at.is_complete();
        let parent = at.path().next_back().map(|(parent, ..)| parent.name);
        if parent != Some("CodeableConcept")
            && let Some(coding) = object.as_any().downcast_ref::<Coding>()
        {
            let codings = std::slice::from_ref(coding);
            let reported = self.bound(codings, false, at);
            coding::check(coding, None, reported, self.memo.get_mut(), at);
        }
    }

    fn codeable_concept(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        let Some(concept) = object.as_any().downcast_ref::<CodeableConcept>() else {
            return;
        };
        let excused = concept.text.is_absent() && is_excused(concept);
        let reported = self.bound(&concept.coding, excused, at);
        for (index, coding) in concept.coding.iter().enumerate() {
            coding::check(coding, Some(index), reported, self.memo.get_mut(), at);
        }
    }

    /// Checks the binding of the element, if it has one; whether a warning or an
    /// error came of it.
    fn bound(&mut self, codings: &[Coding], excused: bool, at: &mut At<'_, '_>) -> bool {
        let broken = std::mem::take(&mut self.broken) || !at.is_complete();
        match at.element().and_then(|element| element.binding) {
            Some(binding) if !broken && !excused => {
                binding::check(codings, binding, self.memo.get_mut(), at)
            }
            _ => false,
        }
    }

    /// Codes, strings and URIs whose list is not closed.
    fn primitives(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        let definition = object.definition();
        // Reference.type has a rule of its own.
        if definition.name == "Reference" {
            return;
        }
        for &index in definition.coded {
            let Some(element) = definition.elements.get(usize::from(index)) else {
                continue;
            };
            let slot = object.slot(usize::from(index));
            let Some(binding) = element.binding.filter(|_| !slot.is_empty()) else {
                continue;
            };
            for (position, node) in slot.iter().enumerate() {
                if let Node::Primitive(primitive) = node
                    && let Some(text) = primitive.text()
                {
                    let position = element.many.then_some(position);
                    self.primitive_code(
                        &text,
                        primitive.type_name(),
                        element.name,
                        position,
                        binding,
                        at,
                    );
                }
            }
        }
    }

    fn primitive_code(
        &mut self,
        text: &str,
        type_name: &str,
        name: &str,
        position: Option<usize>,
        binding: &BindingDef,
        at: &mut At<'_, '_>,
    ) {
        // The URIs are names of types; logical models have a URL or a path.
        if type_name == "uri" && text.contains([':', '.']) {
            return;
        }
        if let Some(failed) = binding::failed(text, binding, self.memo.get_mut()) {
            let below = match position {
                Some(position) => format!("{name}[{position}]"),
                None => name.to_owned(),
            };
            let (rule, expected) = failed;
            at.report_below(&below, rule, rule.severity(), expected, quoted(text));
        }
    }
}

/// Whether an extension says why a concept has no code
/// ([data-absent-reason](https://hl7.org/fhir/R4/extension-data-absent-reason.html)).
fn is_excused(concept: &CodeableConcept) -> bool {
    concept.coding.is_empty()
        && concept.extension.iter().any(|extension| {
            matches!(
                extension.url.as_deref(),
                Some(
                    "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
                        | "http://hl7.org/fhir/StructureDefinition/iso21090-nullFlavor"
                )
            )
        })
}

/// A text in double quotes, shortened.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("\"{}…\"", text.get(..end).unwrap_or_default()),
        None => format!("\"{text}\""),
    }
}
