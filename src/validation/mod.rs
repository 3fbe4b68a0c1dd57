//! What needs the built value: bindings, constraints, references, bundles,
//! extensions, profiles. Reading checks the shape of a document; this layer
//! checks each object as it is read to its end, in the same pass.
//!
//! Each module is one kind of rule. It sees an object and where it is
//! ([`At`]), reports there, and may keep notes in its part of [`Checks`] until
//! the resource or the document closes.

pub mod fhirpath;
mod profile;
pub mod terminology;

use std::path::PathBuf;

use crate::model::{
    Reading, Resource,
    object::Object,
    reader::{At, Observer},
};

pub use profile::{PackageError, ProfileError};

/// What a [`Validator`] checks beyond the specification's own types.
#[derive(Clone, Debug, Default)]
pub struct Options {
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

/// What to check beyond the shape of a document. Made once, used for many
/// documents and from many threads. The default knows the profiles of the
/// specification.
#[derive(Debug, Default)]
pub struct Validator {
    profiles: profile::Profiles,
}

impl Validator {
    /// A validator with packages and profiles.
    ///
    /// Errors: a package that cannot be read, a profile that is not known or
    /// cannot be used.
    pub fn new(options: Options) -> Result<Self, PackageError> {
        let Options {
            profiles,
            packages,
            best_practice: _,
            must_support,
        } = options;
        Ok(Self {
            profiles: profile::Profiles::new(&packages, &profiles, must_support)?,
        })
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
        let mut checks = Checks {
            validator: self,
            profiles: profile::Notes::new(profile),
        };
        Resource::from_slice_observed(bytes, &mut checks)
    }
}

/// The checks of one document.
struct Checks<'v> {
    validator: &'v Validator,
    profiles: profile::Notes,
}

impl Observer for Checks<'_> {
    fn object(&mut self, object: &dyn Object, at: &mut At<'_, '_>) {
        self.validator
            .profiles
            .check(object, at, &mut self.profiles);
    }
}
