//! Whose records an interaction is about: what the request names, and what the
//! answer holds.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::client::{Answer, Interaction};

/// Search parameters that name the patient of a resource.
const PATIENT_PARAMETERS: [&str; 2] = ["patient", "subject"];

/// Logical ids of patients, in order.
pub(super) type Patients = BTreeSet<String>;

/// Those that the request names.
pub(super) fn of_request(interaction: &Interaction, patients: &mut Patients) {
    match interaction {
        Interaction::Capabilities | Interaction::NextPage { .. } => {}
        Interaction::Search {
            resource_type,
            parameters,
        } => of_parameters(resource_type, parameters, patients),
        Interaction::Read {
            resource_type, id, ..
        } => {
            if resource_type == "Patient" {
                patients.insert(id.clone());
            }
        }
        Interaction::Create { body, .. } => of_body(body.as_bytes(), patients),
        Interaction::Update {
            resource_type,
            id,
            parameters,
            body,
            ..
        } => {
            of_parameters(resource_type, parameters, patients);
            of_body(body.as_bytes(), patients);
            if resource_type == "Patient" {
                patients.extend(id.clone());
            }
        }
        Interaction::Delete {
            resource_type,
            id,
            parameters,
            ..
        } => {
            of_parameters(resource_type, parameters, patients);
            if resource_type == "Patient" {
                patients.extend(id.clone());
            }
        }
    }
}

/// Those that a successful answer holds records of.
pub(super) fn of_answer(answer: &Answer, patients: &mut Patients) {
    of_body(&answer.body, patients);
}

/// Those that search parameters name: `patient=1`, `subject=Patient/1,Patient/2`,
/// `subject:Patient=1`, and `_id` of patients.
pub(super) fn of_parameters(
    resource_type: &str,
    parameters: &[(String, String)],
    patients: &mut Patients,
) {
    for (name, value) in parameters {
        let (name, modifier) = name.split_once(':').unwrap_or((name, ""));
        let is_patient = PATIENT_PARAMETERS.contains(&name) && matches!(modifier, "" | "Patient");
        let is_id = name == "_id" && resource_type == "Patient" && modifier.is_empty();
        if !is_patient && !is_id {
            continue;
        }
        for value in value.split(',') {
            let typed = patient_of(value);
            // Without a type, `subject` may be of another one.
            let bare = || {
                let may_be_bare = name != "subject" || modifier == "Patient";
                (may_be_bare && is_id_of(value)).then_some(value)
            };
            patients.extend(typed.or_else(bare).map(ToOwned::to_owned));
        }
    }
}

/// The id of a reference to a patient, relative or absolute.
fn patient_of(reference: &str) -> Option<&str> {
    let mut steps = reference.rsplit('/');
    let mut id = steps.next()?;
    let mut kind = steps.next()?;
    if kind == "_history" {
        id = steps.next()?;
        kind = steps.next()?;
    }
    (kind == "Patient" && is_id_of(id)).then_some(id)
}

fn is_id_of(text: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(allowed)
}

fn of_body(body: &[u8], patients: &mut Patients) {
    let Ok(resource) = serde_json::from_slice::<Partial>(body) else {
        return;
    };
    of_resource(&resource, patients);
    for entry in &resource.entry {
        if let Some(resource) = &entry.resource {
            of_resource(resource, patients);
        }
    }
}

fn of_resource(resource: &Partial, patients: &mut Patients) {
    if resource.resource_type == "Patient" {
        let id = resource.id.as_deref().filter(|id| is_id_of(id));
        patients.extend(id.map(ToOwned::to_owned));
    }
    for reference in [&resource.subject, &resource.patient, &resource.beneficiary] {
        let id = reference
            .as_ref()
            .and_then(|it| patient_of(it.reference.as_deref()?));
        patients.extend(id.map(ToOwned::to_owned));
    }
}

/// What of a resource tells its patient. Other forms of the elements, which some
/// types have, are passed over.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    resource_type: String,
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    subject: Option<Target>,
    #[serde(deserialize_with = "lenient")]
    patient: Option<Target>,
    #[serde(deserialize_with = "lenient")]
    beneficiary: Option<Target>,
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Target {
    reference: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "lenient")]
    resource: Option<Partial>,
}

fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Maybe<T> {
        Some(T),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Maybe::deserialize(deserializer)? {
        Maybe::Some(value) => Some(value),
        Maybe::Other(_) => None,
    })
}
