//! Profiles at run time: those that a resource claims in `meta.profile`, those
//! that a caller asks for, and the vital signs that a LOINC code implies
//! ([profiling](https://hl7.org/fhir/R4/profiling.html)).
//!
//! A profile is [loaded](load) once, into a tree of what it tightens, and the
//! [walk] follows that tree through the resource when it has been read.

mod builtin;
mod bundle;
mod definition;
mod discriminator;
mod equality;
mod implied;
mod invariant;
mod load;
mod package;
mod place;
mod range;
mod reference;
mod registry;
mod slices;
#[cfg(test)]
mod tests;
mod value_set;
mod walk;

use std::{cell::RefCell, path::PathBuf, sync::Arc};

pub use load::ProfileError;
pub use package::PackageError;

use super::reference::{entry, meta};
use super::terminology::Memo;
use crate::model::{
    Bundle, Observation, Rule, Severity,
    definition::Kind,
    object::{Node, Object},
    reader::At,
};
use bundle::Waiting;
use definition::Profile;
use load::{BASE, without_version};
use package::Packages;
use place::Place;
use registry::Registry;
use walk::{Finding, Judged, Subject, Value};

/// The profiles of a validator.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    registry: Registry,
    /// Those that every document must have.
    asked_for: Vec<Arc<Profile>>,
    must_support: bool,
    warnings: Vec<String>,
}

/// What is known of the document so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The profile for this document alone.
    extra: Option<Found>,
    /// Offset of the last object that lost a value to an issue.
    incomplete: Option<usize>,
    /// References into Bundles that are still open.
    pending: Vec<bundle::Pending>,
}

/// A profile that was asked for.
pub(super) type Found = Result<Arc<Profile>, PackageError>;

impl Notes {
    pub(super) fn new(extra: Option<Found>) -> Self {
        Self {
            extra,
            incomplete: None,
            pending: Vec::new(),
        }
    }
}

impl Profiles {
    /// Reads the packages and the profiles that are asked for.
    pub(super) fn new(
        packages: &[PathBuf],
        profiles: &[String],
        must_support: bool,
    ) -> Result<Self, PackageError> {
        let mut read = Packages::default();
        for path in packages {
            read.add(path)?;
        }
        let warnings = read.warnings();
        let mut made = Self {
            registry: Registry::new(read),
            asked_for: Vec::new(),
            must_support,
            warnings,
        };
        for url in profiles {
            made.asked_for.push(made.find(url)?);
        }
        Ok(made)
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn knows(&self, url: &str) -> bool {
        self.registry.knows(url)
    }

    /// The profile with a URL.
    pub(super) fn find(&self, url: &str) -> Found {
        match self.registry.profile(url) {
            Some(profile) => Ok(profile?),
            None => Err(PackageError::UnknownProfile {
                url: url.to_owned(),
            }),
        }
    }

    /// Checks a resource that has been read.
    pub(super) fn check(
        &self,
        object: &dyn Object,
        at: &mut At<'_, '_>,
        notes: &mut Notes,
        memo: &RefCell<Memo>,
    ) {
        if !at.is_complete() {
            notes.incomplete = Some(at.offset());
        }
        let definition = object.definition();
        if definition.kind != Kind::Resource {
            return;
        }
        let complete = notes.incomplete.is_none_or(|offset| offset < at.offset());
        if !notes.pending.is_empty()
            && let Some(closed) = object.as_any().downcast_ref::<Bundle>()
        {
            let known = (&self.registry, memo);
            bundle::close(closed, known, complete, &mut notes.pending, at);
        }
        let claimed = meta(object).map_or(&[][..], |meta| &meta.profile);
        let implied = object
            .as_any()
            .downcast_ref::<Observation>()
            .and_then(implied::profile);
        let asked_for = !self.asked_for.is_empty() || notes.extra.is_some();
        if claimed.is_empty() && implied.is_none() && !asked_for {
            return;
        }
        let (judged, waiting) = (Judged::default(), RefCell::default());
        let subject = Subject {
            registry: &self.registry,
            memo,
            resource: object,
            complete,
            must_support: self.must_support,
            judged: &judged,
            waiting: entry(at).map(|entry| Waiting {
                list: &waiting,
                offset: at.offset(),
                entry,
            }),
        };
        let mut check = Check {
            subject,
            done: Vec::new(),
            findings: Vec::new(),
        };
        for profile in &self.asked_for {
            check.asked_for(profile, at);
        }
        match &notes.extra {
            Some(Ok(profile)) => check.asked_for(profile, at),
            Some(Err(error)) if at.is_root() => check.unusable(error),
            _ => {}
        }
        for (index, url) in claimed.iter().enumerate() {
            if let Some(url) = url.as_deref() {
                check.claimed(url, index);
            }
        }
        if let Some(name) = implied {
            check.known(&format!("{BASE}{name}"));
        }
        check.report(at);
        bundle::take_over(waiting.into_inner(), &mut notes.pending, at);
    }
}

/// The profiles of one resource.
struct Check<'s> {
    subject: Subject<'s>,
    /// URLs of what has been checked already.
    done: Vec<String>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    /// A profile that the caller asks for: of the resource of the document, and
    /// if that is a Bundle of other things, of its entries of that type.
    fn asked_for(&mut self, profile: &Arc<Profile>, at: &At<'_, '_>) {
        let definition = self.subject.resource.definition();
        let same = definition.index == profile.of.index;
        let entry = at
            .element()
            .is_some_and(|element| element.name == "resource")
            && at.path().count() == 2
            && at.root().is_some_and(|root| root.name == "Bundle");
        if same && (at.is_root() || entry) {
            self.run(profile);
        } else if at.is_root() && definition.name != "Bundle" {
            self.other_type(profile);
        }
    }

    fn unusable(&mut self, error: &PackageError) {
        self.findings.push(Finding {
            below: String::new(),
            rule: Rule::ProfileUnknown,
            severity: Severity::Error,
            expected: "a profile that can be checked".to_owned(),
            found: error.to_string(),
        });
    }

    fn other_type(&mut self, profile: &Profile) {
        self.findings.push(Finding {
            below: String::new(),
            rule: Rule::ProfileType,
            severity: Severity::Error,
            expected: format!("a {} (profile {})", profile.of.name, profile.url),
            found: format!("a {}", self.subject.resource.definition().name),
        });
    }

    /// A profile that the resource says it has.
    fn claimed(&mut self, url: &str, index: usize) {
        let (expected, found) = match self.subject.registry.profile(url) {
            Some(Ok(profile)) if profile.of.index == self.subject.resource.definition().index => {
                return self.run(&profile);
            }
            Some(Ok(profile)) => return self.other_type(&profile),
            Some(Err(error)) => (
                "a profile that can be checked".to_owned(),
                format!("{url}, of which {}: {}", error.element, error.reason),
            ),
            None => (
                "a profile of R4 or of a package".to_owned(),
                format!("{url}, which is not known and was not checked"),
            ),
        };
        self.findings.push(Finding {
            below: format!("meta.profile[{index}]"),
            rule: Rule::ProfileUnknown,
            severity: Severity::Warning,
            expected,
            found,
        });
    }

    fn known(&mut self, url: &str) {
        if let Some(Ok(profile)) = self.subject.registry.profile(url) {
            self.run(&profile);
        }
    }

    fn run(&mut self, profile: &Arc<Profile>) {
        if self.done.contains(&profile.url) {
            return;
        }
        self.done.push(without_version(&profile.url).to_owned());
        let value = Value::root(Node::Object(self.subject.resource));
        let found = walk::check(self.subject, profile, value, &Place::ROOT, 0);
        for finding in found {
            // Profiles that derive from each other ask for the same.
            let known = self.findings.iter().any(|known| {
                known.below == finding.below
                    && known.rule.code() == finding.rule.code()
                    && without_profile(&known.expected) == without_profile(&finding.expected)
            });
            if !known {
                self.findings.push(finding);
            }
        }
    }

    fn report(self, at: &mut At<'_, '_>) {
        for finding in self.findings {
            let Finding {
                below,
                rule,
                severity,
                expected,
                found,
            } = finding;
            if below.is_empty() {
                at.report(rule, severity, expected, found);
            } else {
                at.report_below(&below, rule, severity, expected, found);
            }
        }
    }
}

/// What is expected, without the name of the profile.
fn without_profile(expected: &str) -> &str {
    expected.split(" (profile ").next().unwrap_or(expected)
}
