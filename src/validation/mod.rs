//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

mod bundle;
mod extension;
pub mod fhirpath;
mod invariant;
mod profile;
mod reference;
pub mod terminology;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::{
    Bundle, BundleEntry, Extension, Reading, Reference, Resource,
    definition::Kind,
    object::Object,
    reader::{At, Observer},
};

use terminology::Memo;

pub use invariant::{constrained, constraints};
pub use profile::{PackageError, ProfileError};

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
    /// Canonical URLs of profiles that every document must have; of a Bundle
    /// its entries of the profile's type.
    pub profiles: Vec<String>,
    /// FHIR packages (`.tgz`) with more profiles and value sets.
    pub packages: Vec<PathBuf>,
    /// Whether constraints that are but good practice are reported.
    pub best_practice: bool,
    /// Whether absent must-support elements are remarked on.
    pub must_support: bool,
}

/// Checks more than the shape of a document. Made once, used for many documents
/// and from many threads. The default knows the profiles of the specification.
#[derive(Debug, Default)]
pub struct Validator {
    level: Level,
    best_practice: bool,
    profiles: profile::Profiles,
    /// One for each document that was read at the same time.
    memos: Mutex<Vec<Memo>>,
}

impl Validator {
    /// A validator with packages and profiles.
    ///
    /// # Errors
    /// A package that cannot be read, a profile that is not known or cannot be
    /// used.
    pub fn new(options: Options) -> Result<Self, PackageError> {
        let Options {
            level,
            profiles,
            packages,
            best_practice,
            must_support,
        } = options;
        Ok(Self {
            level,
            best_practice,
            profiles: profile::Profiles::new(&packages, &profiles, must_support)?,
            memos: Mutex::default(),
        })
    }

    /// Reports, as information, what breaks a constraint that is but good
    /// practice (`dom-6`: a narrative in each resource).
    pub fn with_best_practice(mut self, best_practice: bool) -> Self {
        self.best_practice = best_practice;
        self
    }

    /// What is odd about the packages: dependencies that are missing.
    pub fn warnings(&self) -> &[String] {
        self.profiles.warnings()
    }

    /// Whether a profile is known by this URL.
    pub fn knows_profile(&self, url: &str) -> bool {
        self.profiles.knows(url)
    }

    /// Reads a resource of any type and checks it. The value is `None` when the
    /// document is no resource or not JSON.
    pub fn read(&self, bytes: &[u8]) -> Reading<Resource> {
        self.read_with(bytes, None)
    }

    /// The same with one more profile for this document. A profile that is not
    /// known or cannot be used is an error of the document.
    pub fn read_as(&self, bytes: &[u8], profile: Option<&str>) -> Reading<Resource> {
        let profile = profile.map(|url| self.profiles.find(url));
        self.read_with(bytes, profile)
    }

    fn read_with(&self, bytes: &[u8], profile: Option<profile::Found>) -> Reading<Resource> {
        if self.level == Level::Shape {
            return Resource::from_slice(bytes);
        }
        let mut checks = Checks {
            validator: self,
            terminology: terminology::Terminology::new(self.memos().pop().unwrap_or_default()),
            invariants: invariant::Invariants::default(),
            links: reference::notes::Notes::default(),
            extensions: extension::Seen::default(),
            profiles: profile::Notes::new(profile),
        };
        let reading = Resource::from_slice_observed(bytes, &mut checks);
        self.memos().push(checks.terminology.into_memo());
        reading
    }

    fn memos(&self) -> MutexGuard<'_, Vec<Memo>> {
        // A panic elsewhere leaves a list that is whole.
        self.memos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checks of one document.
struct Checks<'v> {
    validator: &'v Validator,
    terminology: terminology::Terminology,
    invariants: invariant::Invariants,
    links: reference::notes::Notes,
    extensions: extension::Seen,
    profiles: profile::Notes,
}

impl Observer for Checks<'_> {
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        let Validator {
            level,
            best_practice,
            profiles,
            ..
        } = self.validator;
        self.terminology.object(object, at);
        if *level >= Level::Constraints {
            self.invariants.object(object, at, *best_practice);
        }
        if *level >= Level::Full {
            links(object, at, self);
            profiles.check(object, at, &mut self.profiles, self.terminology.memo());
        }
    }
}

/// References, Bundles and extensions.
fn links(object: &dyn Object, at: &mut At<'_, '_>, checks: &mut Checks<'_>) {
    let notes = &mut checks.links;
    let any = object.as_any();
    extension::check_holder(object, at, &mut checks.extensions);
    match object.definition().kind {
        Kind::ComplexType => {
            if let Some(reference) = any.downcast_ref::<Reference>() {
                reference::check(reference, at, notes);
            } else if let Some(extension) = any.downcast_ref::<Extension>() {
                extension::check(
                    extension,
                    at,
                    &mut checks.extensions,
                    &checks.validator.profiles,
                );
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
