//! References of profiles into a Bundle: what they lead to is known when the
//! Bundle closes.

use std::{cell::RefCell, sync::Arc};

use super::{
    definition::{Profile, Target},
    place::Place,
    reference::{names, of_type},
    registry::Registry,
    walk::{self, Judged, MAX_DEPTH, Subject, Value},
};
use crate::{
    model::{Bundle, Reference, Resource, Rule, Severity, object::Node, reader::At},
    validation::{
        bundle::Places,
        reference::{
            allows,
            notes::{Note, Way},
        },
        terminology::Memo,
    },
};

/// A reference whose target a profile asks something of.
#[derive(Debug)]
pub(super) struct Pending {
    note: Note,
    targets: Arc<[Target]>,
    profile: Arc<Profile>,
    /// Its place: below the resource, and when the resource has been checked
    /// that in the document.
    path: String,
}

/// Where references wait for the end of the Bundle.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'w> {
    pub(super) list: &'w RefCell<Vec<Pending>>,
    /// Offset of the resource.
    pub(super) offset: usize,
    /// Index of its entry.
    pub(super) entry: usize,
}

impl Waiting<'_> {
    /// Keeps a reference, unless it cannot lead into the Bundle.
    pub(super) fn push(
        &self,
        reference: &Reference,
        base: &'static [&'static str],
        targets: &Arc<[Target]>,
        profile: &Arc<Profile>,
        place: &Place<'_>,
    ) {
        let text = reference.reference.as_deref().unwrap_or_default();
        let note = Note::of(text, self.offset, self.entry, base);
        if let Some(note) = note.filter(|note| note.way != Way::Conditional) {
            self.list.borrow_mut().push(Pending {
                note,
                targets: Arc::clone(targets),
                profile: Arc::clone(profile),
                path: place.below(),
            });
        }
    }
}

/// Takes over what waits after the check of a resource.
pub(super) fn take_over(waiting: Vec<Pending>, all: &mut Vec<Pending>, at: &At<'_, '_>) {
    if waiting.is_empty() {
        return;
    }
    let resource = at.expression();
    all.extend(waiting.into_iter().map(|mut pending| {
        pending.path = format!("{resource}.{}", pending.path);
        pending
    }));
}

/// Checks what waits for the end of a Bundle that closes.
pub(super) fn close(
    bundle: &Bundle,
    (registry, memo): (&Registry, &RefCell<Memo>),
    complete: bool,
    all: &mut Vec<Pending>,
    at: &mut At<'_, '_>,
) {
    let first = all.partition_point(|pending| pending.note.offset < at.offset());
    let waiting = all.split_off(first);
    if waiting.is_empty() {
        return;
    }
    let targets = Targets {
        bundle,
        // References of what is referred to may have versions as well.
        places: Places::new(bundle, true),
        registry,
        memo,
        complete,
        judged: Judged::default(),
    };
    let own = at.expression();
    let mut reported: Vec<(&str, String)> = Vec::new();
    for pending in &waiting {
        let Some(found) = targets.mismatch(pending, 0) else {
            continue;
        };
        let wanted = names(&pending.targets);
        let below = pending.path.get(own.len() + 1..).unwrap_or_default();
        // Profiles that derive from each other ask for the same.
        let known = (below, wanted);
        if reported.contains(&known) {
            continue;
        }
        let expected = format!(
            "a reference to {} (profile {})",
            known.1, pending.profile.url
        );
        at.report_below(below, Rule::ProfileType, Severity::Error, expected, found);
        reported.push(known);
    }
}

/// The resources of a Bundle as targets of references.
struct Targets<'b> {
    bundle: &'b Bundle,
    places: Places,
    registry: &'b Registry,
    memo: &'b RefCell<Memo>,
    complete: bool,
    judged: Judged,
}

impl Targets<'_> {
    fn mismatch(&self, pending: &Pending, depth: usize) -> Option<String> {
        let entry = self.places.find(&pending.note)?;
        let resource = self.bundle.entry.get(entry)?.resource.as_ref()?;
        let type_name = resource.resource_type();
        // A type that the base type does not allow is an issue of the base.
        if !allows(pending.note.targets, type_name) {
            return None;
        }
        let fits = |target: &Target| match target {
            Target::Type(name) => *name == "Resource" || *name == type_name,
            Target::Profile(url) => match self.registry.profile(url) {
                Some(Ok(profile)) => {
                    profile.of.name == type_name && self.conforms(resource, entry, &profile, depth)
                }
                _ => true,
            },
        };
        if pending.targets.iter().any(fits) {
            return None;
        }
        let of_type = |target| of_type(self.registry, target, type_name);
        Some(match pending.targets.iter().any(of_type) {
            true => format!("a {type_name} without what the profile asks for"),
            false => format!("a {type_name}"),
        })
    }

    /// Whether a resource has what a profile asks for, and so has what it refers to.
    fn conforms(
        &self,
        resource: &Resource,
        entry: usize,
        profile: &Arc<Profile>,
        depth: usize,
    ) -> bool {
        if depth >= MAX_DEPTH {
            return true;
        }
        self.judged.once(resource, &profile.url, || {
            let waiting = RefCell::default();
            let subject = Subject {
                registry: self.registry,
                memo: self.memo,
                resource: resource.as_object(),
                complete: self.complete,
                must_support: false,
                judged: &self.judged,
                waiting: Some(Waiting {
                    list: &waiting,
                    offset: 0,
                    entry,
                }),
            };
            let value = Value::root(Node::Resource(resource));
            let found = walk::check(subject, profile, value, &Place::ROOT, 0);
            let fits = !found.iter().any(|finding| finding.severity.is_error());
            let waiting = waiting.into_inner();
            fits && waiting
                .iter()
                .all(|pending| self.mismatch(pending, depth + 1).is_none())
        })
    }
}
