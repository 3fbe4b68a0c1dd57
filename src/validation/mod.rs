//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

mod bundle;
mod extension;
mod reference;

use crate::model::{
    Bundle, BundleEntry, Extension, Reading, Reference, Resource,
    definition::Kind,
    object::Object,
    reader::{At, Observer},
};
use reference::notes::Notes;

/// What to check beyond the shape of a document. Made once, used for many
/// documents and from many threads.
#[derive(Debug, Default)]
pub struct Validator {}

impl Validator {
    /// Reads a resource of any type and checks it. The value is `None` when the
    /// document is no resource or not JSON.
    pub fn read(&self, bytes: &[u8]) -> Reading<Resource> {
        Resource::from_slice_observed(
            bytes,
            &mut Checks {
                validator: self,
                notes: Notes::default(),
                extensions: extension::Seen::default(),
            },
        )
    }
}

/// The checks of one document.
struct Checks<'v> {
    #[expect(dead_code, reason = "options come with the first rule that has one")]
    validator: &'v Validator,
    notes: Notes,
    extensions: extension::Seen,
}

impl Observer for Checks<'_> {
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        links(object, at, &mut self.notes, &mut self.extensions);
    }
}

/// References, Bundles and extensions.
fn links(
    object: &dyn Object,
    at: &mut At<'_, '_>,
    notes: &mut Notes,
    extensions: &mut extension::Seen,
) {
    let any = object.as_any();
    match object.definition().kind {
        Kind::ComplexType => {
            if let Some(reference) = any.downcast_ref::<Reference>() {
                reference::check(reference, at, notes);
            } else if let Some(extension) = any.downcast_ref::<Extension>() {
                extension::check(extension, at, extensions);
            }
        }
        Kind::Backbone => {
            if let Some(entry) = any.downcast_ref::<BundleEntry>() {
                bundle::check_entry(entry, at, notes);
            }
        }
        Kind::Resource => {
            reference::close_container(object, at, notes);
            if let Some(bundle) = any.downcast_ref::<Bundle>() {
                bundle::close(bundle, at, notes);
            }
        }
    }
}
