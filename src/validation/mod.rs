//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

pub mod fhirpath;
mod invariant;
pub mod terminology;

pub use invariant::constraints;

use crate::model::{
    Reading, Resource,
    object::Object,
    reader::{At, Observer},
};

/// How far validation goes; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The shape of the JSON and the lexical forms of primitives, as reading does.
    Shape,
    /// Codes: value sets, code systems, languages, media types, units.
    Bindings,
    /// The constraints (FHIRPath) of the definitions.
    Constraints,
    /// References, Bundles, extensions and profiles.
    #[default]
    Full,
}

/// What a [`Validator`] checks.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How far it goes.
    pub level: Level,
    /// Whether constraints that are but good practice are reported.
    pub best_practice: bool,
}

/// Checks more than the shape of a document. Made once, used for many documents
/// and from many threads.
#[derive(Debug, Default)]
pub struct Validator {
    level: Level,
    best_practice: bool,
}

impl Validator {
    /// Reports, as information, what breaks a constraint that is but good
    /// practice (`dom-6`: a narrative in each resource).
    pub fn with_best_practice(mut self, best_practice: bool) -> Self {
        self.best_practice = best_practice;
        self
    }

    /// Reads a resource of any type and checks it. The value is `None` when the
    /// document is no resource or not JSON.
    pub fn read(&self, bytes: &[u8]) -> Reading<Resource> {
        if self.level == Level::Shape {
            return Resource::from_slice(bytes);
        }
        let mut checks = Checks {
            validator: self,
            terminology: terminology::Terminology::default(),
            invariants: invariant::Invariants::default(),
        };
        Resource::from_slice_observed(bytes, &mut checks)
    }
}

/// The checks of one document.
struct Checks<'v> {
    validator: &'v Validator,
    terminology: terminology::Terminology,
    invariants: invariant::Invariants,
}

impl Observer for Checks<'_> {
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        let level = self.validator.level;
        self.terminology.object(object, at);
        if level >= Level::Constraints {
            self.invariants
                .object(object, at, self.validator.best_practice);
        }
    }
}
