//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

pub mod terminology;

use crate::model::{
    Reading, Resource,
    object::Object,
    reader::{At, Observer},
};

/// What to check beyond the shape of a document. Made once, used for many
/// documents and from many threads.
#[derive(Debug, Default)]
pub struct Validator {}

impl Validator {
    /// Reads a resource of any type and checks it. The value is `None` when the
    /// document is no resource or not JSON.
    pub fn read(&self, bytes: &[u8]) -> Reading<Resource> {
        Resource::from_slice_observed(bytes, &mut Checks { validator: self })
    }
}

/// The checks of one document.
struct Checks<'v> {
    #[expect(dead_code, reason = "options come with the first rule that has one")]
    validator: &'v Validator,
}

impl Observer for Checks<'_> {
    fn object(&mut self, _object: &dyn Object, _at: &mut At<'_, '_>) {}
}
