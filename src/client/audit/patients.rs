//! Whose records an interaction is about: what the request names, and what the
//! answer holds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::{Answer, Interaction, compartment};

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
/// `subject:Patient=1`, what else puts a type into the compartment of a patient,
/// and `_id` of patients.
pub(super) fn of_parameters(
    resource_type: &str,
    parameters: &[(String, String)],
    patients: &mut Patients,
) {
    for (name, value) in parameters {
        let (name, modifier) = name.split_once(':').unwrap_or((name, ""));
        let link = compartment::links(resource_type).find(|link| link.code == name);
        let is_named = link.is_some() || matches!(name, "patient" | "subject");
        let is_patient = is_named && matches!(modifier, "" | "Patient");
        let is_id = name == "_id" && resource_type == "Patient" && modifier.is_empty();
        if !is_patient && !is_id {
            continue;
        }
        for value in value.split(',') {
            let typed = patient_of(value);
            // Without a type, `subject` and others may be of another one.
            let bare = || {
                let is_only = link.is_some_and(|link| *link.target == ["Patient"]);
                let may_be_bare = is_id || is_only || name == "patient" || modifier == "Patient";
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
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if let Ok(resource) = serde_json::from_slice(body) {
        of_resource(&resource, patients);
    }
}

/// Those that a resource is about, and in a Bundle and in Parameters those of
/// the resources within.
fn of_resource(resource: &Value, patients: &mut Patients) {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    match text("resourceType") {
        Some("Patient") => {
            let id = text("id").filter(|id| is_id_of(id));
            patients.extend(id.map(ToOwned::to_owned));
        }
        Some("Bundle") => of_parts(resource.get("entry"), patients),
        Some("Parameters") => of_parts(resource.get("parameter"), patients),
        Some(resource_type) => {
            let references = compartment::references(resource_type, resource);
            let ids = references.into_iter().filter_map(patient_of);
            patients.extend(ids.map(ToOwned::to_owned));
        }
        None => {}
    }
}

fn of_parts(parts: Option<&Value>, patients: &mut Patients) {
    for part in parts.and_then(Value::as_array).into_iter().flatten() {
        if let Some(resource) = part.get("resource") {
            of_resource(resource, patients);
        }
        of_parts(part.get("part"), patients);
    }
}
