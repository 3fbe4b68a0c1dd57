//! The profiles and value sets that are known: those of the specification and
//! those of packages, each loaded when it is first asked for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    builtin,
    definition::{Element, Profile},
    load::{self, BASE, ProfileError, without_version},
    package::{Kind, Packages},
    value_set::{CodeSystem, ValueSet},
};
use crate::{
    model,
    validation::terminology::{self, Membership},
};

/// Most profiles that derive from each other.
const MAX_BASES: usize = 32;
/// Most value sets that include each other.
const MAX_IMPORTS: usize = 16;

type Cache<T> = RwLock<HashMap<String, T>>;

/// The known profiles and value sets.
#[derive(Debug, Default)]
pub(in crate::validation) struct Registry {
    packages: Packages,
    profiles: Cache<Result<Arc<Profile>, ProfileError>>,
    value_sets: Cache<Arc<ValueSet>>,
    code_systems: Cache<Arc<CodeSystem>>,
}

impl Registry {
    pub(super) fn new(packages: Packages) -> Self {
        Self {
            packages,
            ..Self::default()
        }
    }

    /// Whether there is a profile or type with this URL.
    pub(super) fn knows(&self, url: &str) -> bool {
        let bare = without_version(url);
        type_of(bare).is_some()
            || builtin::knows(bare)
            || self.packages.text(Kind::Structure, url).is_some()
    }

    /// The profile with this URL, with or without `|version`. `None` when it is
    /// not known.
    pub(super) fn profile(&self, url: &str) -> Option<Result<Arc<Profile>, ProfileError>> {
        cached(&self.profiles, url, || self.load(url, 0))
    }

    fn load(&self, url: &str, depth: usize) -> Option<Result<Arc<Profile>, ProfileError>> {
        let bare = without_version(url);
        if let Some(of) = type_of(bare) {
            return Some(Ok(Arc::new(Profile {
                url: bare.to_owned(),
                of,
                root: load::empty(of),
            })));
        }
        let definition = builtin::definition(bare).or_else(|| {
            let text = self.packages.text(Kind::Structure, url)?;
            serde_json::from_str(text).ok()
        })?;
        let profile = load::build(&definition, &mut |base| self.base(url, base, depth));
        Some(profile.map(Arc::new))
    }

    /// The tree of the profile that another derives from.
    fn base(&self, url: &str, base: &str, depth: usize) -> Result<Element, ProfileError> {
        let refuse = |reason: String| ProfileError {
            profile: url.to_owned(),
            element: "baseDefinition".to_owned(),
            reason,
        };
        if depth >= MAX_BASES {
            return Err(refuse(format!("{base} derives from itself")));
        }
        match self.load(base, depth + 1) {
            Some(Ok(profile)) => Ok(profile.root.clone()),
            Some(Err(error)) => Err(error),
            None => Err(refuse(format!("{base} is not known"))),
        }
    }

    /// Whether a code is in a value set of a package or of the specification.
    pub(super) fn member(&self, url: &str, system: Option<&str>, code: &str) -> Membership {
        self.member_of(url, system, code, 0)
    }

    pub(super) fn member_of(
        &self,
        url: &str,
        system: Option<&str>,
        code: &str,
        depth: usize,
    ) -> Membership {
        if depth > MAX_IMPORTS {
            return Membership::Unknown;
        }
        let value_set = cached(&self.value_sets, url, || {
            let text = self.packages.text(Kind::ValueSet, url)?;
            ValueSet::parse(text).map(Arc::new)
        });
        match value_set {
            Some(value_set) => value_set.member(self, system, code, depth),
            None => terminology::member(url, system, code),
        }
    }

    /// A code system of a package.
    pub(super) fn code_system(&self, url: &str) -> Option<Arc<CodeSystem>> {
        cached(&self.code_systems, url, || {
            let text = self.packages.text(Kind::CodeSystem, url)?;
            CodeSystem::parse(text).map(Arc::new)
        })
    }
}

/// What is kept for a URL, made on the first call.
fn cached<T: Clone>(cache: &Cache<T>, url: &str, make: impl FnOnce() -> Option<T>) -> Option<T> {
    // A panic elsewhere leaves a map that is whole.
    if let Some(known) = cache
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(url)
    {
        return Some(known.clone());
    }
    // What is not known is not kept: documents ask for it, whatever they like.
    let made = make()?;
    let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
    cache.insert(url.to_owned(), made.clone());
    Some(made)
}

/// The type of R4 that a URL defines.
fn type_of(url: &str) -> Option<&'static model::definition::TypeDef> {
    let name = url.strip_prefix(BASE)?;
    model::type_def(name).filter(|of| of.kind != model::definition::Kind::Backbone)
}
