//! What a profile asks for, as a tree of elements: only what it tightens, so
//! that checking visits nothing else.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{discriminator::Discriminator, invariant::Invariant};
use crate::model::definition::{BindingStrength, ElementDef, TypeDef};

/// A profile, ready to check with.
pub(in crate::validation) struct Profile {
    /// Canonical URL without version.
    pub(super) url: String,
    /// The type that it constrains.
    pub(super) of: &'static TypeDef,
    /// The type itself, with what is asked for below it.
    pub(super) root: Element,
}

/// What is asked of an element, or of a slice of it.
#[derive(Clone, Default)]
pub(super) struct Element {
    /// As in [ElementDefinition.id](https://hl7.org/fhir/R4/elementdefinition.html#id):
    /// `Observation.category:VSCat.coding`.
    pub(super) id: String,
    /// Name without `[x]`.
    pub(super) name: String,
    /// The name of the slice, if it is one.
    pub(super) slice: Option<String>,
    /// Index of the element in the type that has it.
    pub(super) index: usize,
    /// Its definition in the base type; none for the type itself.
    pub(super) base: Option<&'static ElementDef>,
    /// How often it stands at least.
    pub(super) min: u32,
    /// `None` as long as it may repeat without end, or as in the base.
    pub(super) max: Option<u32>,
    /// The allowed types; empty where all types of the base are.
    pub(super) types: Vec<Type>,
    /// The value must be exactly this.
    pub(super) fixed: Option<Value>,
    /// The value must have at least this.
    pub(super) pattern: Option<Value>,
    /// The value set, where it is another than that of the base.
    pub(super) binding: Option<Binding>,
    /// The value set that no code may leave, whatever the strength
    /// ([maxValueSet](https://hl7.org/fhir/R4/extension-elementdefinition-maxvalueset.html)).
    pub(super) limit: Option<Binding>,
    /// `minValue[x]` and `maxValue[x]`.
    pub(super) lowest: Option<Value>,
    pub(super) highest: Option<Value>,
    /// Most characters of a text.
    pub(super) max_length: Option<usize>,
    /// Whether an implementation must support it.
    pub(super) must_support: bool,
    /// The constraints that the profile adds.
    pub(super) invariants: Vec<Invariant>,
    /// How its values are told apart.
    pub(super) slicing: Option<Slicing>,
    pub(super) slices: Vec<Element>,
    /// The type that `children` belong to; values of other types have none of them.
    pub(super) content: Option<&'static TypeDef>,
    pub(super) children: Vec<Element>,
}

/// A type that an element may have.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) code: String,
    /// One of these profiles must hold, if there is any.
    pub(super) profiles: Vec<String>,
    /// What a reference may point to: types by name, profiles by URL. Empty
    /// where that is not tightened.
    pub(super) targets: Arc<[Target]>,
}

/// What a reference may point to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Type(&'static str),
    Profile(String),
}

/// A bound value set.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) strength: BindingStrength,
    /// Canonical URL, with its version if the profile gives one.
    pub(super) value_set: String,
}

/// How the values of an element are told apart.
#[derive(Clone, Debug)]
pub(super) struct Slicing {
    pub(super) discriminators: Vec<Discriminator>,
    pub(super) rules: SlicingRules,
    pub(super) ordered: bool,
}

impl Slicing {
    /// Slicing without order.
    pub(super) fn by(discriminators: Vec<Discriminator>, rules: SlicingRules) -> Self {
        Self {
            discriminators,
            rules,
            ordered: false,
        }
    }
}

/// Whether there may be values of no slice
/// ([resource-slicing-rules](https://hl7.org/fhir/R4/valueset-resource-slicing-rules.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlicingRules {
    Open,
    Closed,
    OpenAtEnd,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Profile").field(&self.url).finish()
    }
}

impl fmt::Debug for Element {
    // Not what it holds: types refer to each other in circles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.id).finish()
    }
}

impl Element {
    /// How often the base type has it at least; slices are no part of that.
    pub(super) fn base_min(&self) -> u32 {
        match (&self.slice, self.base) {
            (None, Some(base)) => u32::from(base.min),
            _ => 0,
        }
    }

    /// The element of a child by its name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Drops what asks for nothing; whether anything is left.
    pub(super) fn prune(&mut self) -> bool {
        self.children.retain_mut(Self::prune);
        for slice in &mut self.slices {
            slice.prune();
        }
        if self.slices.is_empty() {
            self.slicing = None;
        }
        self.min > self.base_min()
            || self.max.is_some()
            || !self.types.is_empty()
            || self.fixed.is_some()
            || self.pattern.is_some()
            || self.binding.is_some()
            || self.limit.is_some()
            || self.lowest.is_some()
            || self.highest.is_some()
            || self.max_length.is_some()
            || self.must_support
            || !self.invariants.is_empty()
            || self.slicing.is_some()
            || !self.children.is_empty()
    }
}
