//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

pub mod fhirpath;
mod invariant;

pub use invariant::constraints;

use crate::model::{
    Reading, Resource,
    object::Object,
    reader::{At, Observer},
};

/// What to check beyond the shape of a document. Made once, used for many
/// documents and from many threads.
#[derive(Debug, Default)]
pub struct Validator {
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
        Resource::from_slice_observed(
            bytes,
            &mut Checks {
                validator: self,
                invariants: invariant::Invariants::default(),
            },
        )
    }
}

/// The checks of one document.
struct Checks<'v> {
    validator: &'v Validator,
    invariants: invariant::Invariants,
}

impl Observer for Checks<'_> {
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        self.invariants
            .object(object, at, self.validator.best_practice);
    }
}
