//! Keeps what is asked within the
//! [compartment of one patient](https://hl7.org/fhir/R4/compartmentdefinition-patient.html).
//!
//! The authorization server stays the authority. This refuses what is plainly
//! about somebody else before it is sent, and narrows searches, so that a
//! server that grants more than the launch meant gives no more.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use crate::{
    client::{
        Interaction,
        compartment::{self, links, names_patient, targets_patients},
        interaction::Parameter,
    },
    model::search::search_parameters,
};

/// Types that hold records of anybody, and that no search can narrow.
const UNBOUND: &[&str] = &["Binary", "Bundle", "Linkage", "MessageHeader"];

/// Parameters of every search that are not about what resources hold
/// (<https://hl7.org/fhir/R4/search.html#modifyingresults>).
const RESULT_PARAMETERS: &[&str] = &[
    "",
    "_contained",
    "_containedType",
    "_count",
    "_elements",
    "_filter",
    "_format",
    "_has",
    "_include",
    "_list",
    "_pretty",
    "_query",
    "_revinclude",
    "_sort",
    "_summary",
    "_text",
    "_total",
    "_type",
];

/// Something about somebody else. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this session is for one patient, {patient}: {reason}; nothing was sent, ask for the records of {patient}"
)]
pub struct Outside {
    /// `Patient/` and the id.
    pub patient: String,
    /// What goes beyond it.
    pub reason: String,
}

/// The compartment of one patient.
#[derive(Clone, Copy, Debug)]
pub struct PatientCompartment<'a>(pub &'a str);

type Result<T, E = Outside> = std::result::Result<T, E>;

impl PatientCompartment<'_> {
    /// The interaction as it may be sent: narrowed where it is a search.
    ///
    /// # Errors
    /// [`Outside`].
    pub fn confine<'i>(&self, interaction: &'i Interaction) -> Result<Cow<'i, Interaction>> {
        match interaction {
            Interaction::Capabilities => {}
            Interaction::NextPage { link } => self.page(link)?,
            Interaction::Read {
                resource_type,
                id,
                operation: None,
                ..
            } => self.instance(resource_type, id)?,
            Interaction::Create {
                resource_type,
                operation,
                body,
                ..
            } => self.create(resource_type, operation.as_deref(), body)?,
            Interaction::Update {
                resource_type,
                id: Some(id),
                body,
                ..
            } => {
                self.instance(resource_type, id)?;
                self.body(body)?;
            }
            Interaction::Delete {
                resource_type,
                id: Some(id),
                ..
            } => self.instance(resource_type, id)?,
            _ => return self.confine_search(interaction).map(Cow::Owned),
        }
        Ok(Cow::Borrowed(interaction))
    }

    /// Those that search, by themselves or for what they write.
    fn confine_search(&self, interaction: &Interaction) -> Result<Interaction> {
        let mut confined = interaction.clone();
        match &mut confined {
            Interaction::Search {
                resource_type,
                parameters,
            }
            | Interaction::Delete {
                resource_type,
                parameters,
                ..
            } => self.search(resource_type, parameters)?,
            Interaction::Read {
                resource_type,
                id,
                operation,
                parameters,
            } => {
                self.instance(resource_type, id)?;
                self.operation(resource_type, operation.as_deref(), parameters)?;
            }
            Interaction::Update {
                resource_type,
                parameters,
                body,
                ..
            } => {
                self.search(resource_type, parameters)?;
                self.body(body)?;
            }
            Interaction::Capabilities
            | Interaction::NextPage { .. }
            | Interaction::Create { .. } => {}
        }
        Ok(confined)
    }

    /// The parameters that [`confine`](Self::confine) added to an interaction.
    pub fn added(interaction: &Interaction, confined: &Interaction) -> Vec<Parameter> {
        let before = interaction.parameters();
        let mut added = confined.parameters().to_vec();
        added.retain(|parameter| !before.contains(parameter));
        added
    }

    /// Whether a resource is of somebody else: a patient that is another, or a
    /// record that belongs to patients and not to this one.
    pub fn excludes(&self, resource: &Value) -> bool {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let Some(resource_type) = text("resourceType") else {
            return false;
        };
        if resource_type == "Patient" {
            return text("id").is_some_and(|id| id != self.0);
        }
        let mut of_patients = compartment::references(resource_type, resource)
            .into_iter()
            .filter(|reference| names_patient(reference))
            .peekable();
        of_patients.peek().is_some() && !of_patients.any(|reference| self.is_this(reference))
    }

    /// Whether a resource is of somebody else, or holds one that is: a Bundle in
    /// its entries, Parameters in theirs.
    pub fn excludes_any(&self, resource: &Value) -> bool {
        let parts = match resource.get("resourceType").and_then(Value::as_str) {
            Some("Bundle") => "entry",
            Some("Parameters") => "parameter",
            _ => return self.excludes(resource),
        };
        self.excludes_parts(resource.get(parts))
    }

    fn excludes_parts(&self, parts: Option<&Value>) -> bool {
        let mut parts = parts.and_then(Value::as_array).into_iter().flatten();
        parts.any(|part| {
            let resource = part.get("resource");
            resource.is_some_and(|resource| self.excludes_any(resource))
                || self.excludes_parts(part.get("part"))
        })
    }

    fn outside<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(Outside {
            patient: format!("Patient/{}", self.0),
            reason: reason.into(),
        })
    }

    fn instance(&self, resource_type: &str, id: &str) -> Result<()> {
        match resource_type == "Patient" && id != self.0 {
            true => self.outside("the id is that of another patient"),
            false => Ok(()),
        }
    }

    fn operation(
        &self,
        resource_type: &str,
        operation: Option<&str>,
        parameters: &mut Vec<Parameter>,
    ) -> Result<()> {
        let Some(operation) = operation else {
            return Ok(());
        };
        if operation.starts_with('_') {
            return Ok(());
        }
        if resource_type == "Patient" {
            return self.values(operation, parameters);
        }
        match operation {
            "*" => self.outside("it asks for all records around something else"),
            "$everything" | "$export" if resource_type != "Encounter" => {
                self.outside(format!("{operation} of a {resource_type} reaches others"))
            }
            name if name.starts_with('$') => Ok(()),
            searched => self.search(searched, parameters),
        }
    }

    fn create(&self, resource_type: &str, operation: Option<&str>, body: &str) -> Result<()> {
        match operation {
            Some("$validate") => return Ok(()),
            Some(_) => return self.outside("an operation on a whole type can reach others"),
            None => {}
        }
        if resource_type == "Patient" {
            return self.outside("it would add another patient");
        }
        self.body(body)
    }

    fn body(&self, body: &str) -> Result<()> {
        let resource = serde_json::from_str(body).unwrap_or_default();
        match self.excludes(&resource) {
            true => self.outside("the resource is about another patient"),
            false => Ok(()),
        }
    }

    /// Checks a search, and adds the patient where it is not named.
    fn search(&self, resource_type: &str, parameters: &mut Vec<Parameter>) -> Result<()> {
        self.values(resource_type, parameters)?;
        self.includes(resource_type, parameters)?;
        let Some((name, value)) = self.narrowing(resource_type) else {
            return match UNBOUND.contains(&resource_type) {
                true => self.outside(format!("a search for {resource_type} reaches others")),
                false => Ok(()),
            };
        };
        let named = |given: &Parameter| given.0 == name && self.is_this(&given.1);
        if !parameters.iter().any(named) {
            parameters.push((name.to_owned(), value));
        }
        Ok(())
    }

    /// The parameter that keeps a search with this patient.
    fn narrowing(&self, resource_type: &str) -> Option<(&'static str, String)> {
        if resource_type == "Patient" {
            return Some(("_id", self.0.to_owned()));
        }
        let mut links: Vec<_> = links(resource_type).collect();
        links.sort_by_key(|parameter| match parameter.code {
            "patient" => 0,
            "subject" => 1,
            _ => 2,
        });
        let code = links.first()?.code;
        Some(match code {
            "patient" => (code, self.0.to_owned()),
            _ => (code, format!("Patient/{}", self.0)),
        })
    }

    /// Refuses values that name another patient.
    fn values(&self, resource_type: &str, parameters: &[Parameter]) -> Result<()> {
        for (given, value) in parameters {
            let (name, modifier) = given.split_once(':').unwrap_or((given, ""));
            if !matches!(modifier, "" | "Patient") {
                continue;
            }
            let is_id = resource_type == "Patient" && name == "_id";
            let link = links(resource_type).find(|link| link.code == name);
            let only_patients = is_id
                || matches!(name, "patient" | "subject")
                || link.is_some_and(|link| *link.target == ["Patient"]);
            let is_link = is_id || link.is_some();
            let other = |reference: &str| {
                let bare = !reference.contains('/') && only_patients;
                (bare || names_patient(reference)) && !self.is_this(reference)
            };
            if is_link && value.split(',').any(other) {
                return self.outside(format!("{given} names another patient"));
            }
        }
        Ok(())
    }

    fn includes(&self, resource_type: &str, parameters: &[Parameter]) -> Result<()> {
        for (name, value) in parameters {
            let (name, modifier) = name.split_once(':').unwrap_or((name, ""));
            let reverse = match name {
                "_include" => false,
                "_revinclude" => true,
                _ => continue,
            };
            let mut parts = value.split(':');
            let source = parts.next().unwrap_or_default();
            let code = parts.next().unwrap_or("*");
            let target = parts.next();
            let leaves = !modifier.is_empty()
                || source == "*"
                || code == "*"
                || match reverse {
                    // What points to a record of this patient is about them.
                    true => {
                        source == "Patient"
                            || self.narrowing(resource_type).is_none()
                                && links(source).next().is_some()
                    }
                    false => may_reach_patients(source, code, target),
                };
            if leaves {
                return self.outside(format!("{name}={value} reaches others"));
            }
        }
        Ok(())
    }

    /// A page of an earlier answer: it goes on with a search that was narrowed.
    /// Cursors are sealed, so the link is one of the FHIR server; this refuses
    /// what is plainly about others all the same.
    fn page(&self, link: &str) -> Result<()> {
        let made_up = "the link to the next page leads to others";
        let url = Url::parse("http://base.invalid/")
            .and_then(|base| base.join(link))
            .or_else(|_error| self.outside(made_up))?;
        let path: Vec<&str> = url
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        if path.windows(2).any(|pair| {
            pair[0] == "Patient" && pair[1] != self.0 && !pair[1].starts_with(['_', '$'])
        }) {
            return self.outside(made_up);
        }
        let last = path.last().copied().unwrap_or_default();
        let parameters: Vec<Parameter> = url.query_pairs().into_owned().collect();
        let in_compartment = path.windows(2).any(|pair| pair == ["Patient", self.0]);
        let mut narrowed = parameters.clone();
        self.search(last, &mut narrowed)?;
        // Servers that keep the search to themselves name it by something of
        // their own.
        let opaque = |(name, _): &Parameter| {
            let name = name.split([':', '.']).next().unwrap_or_default();
            let known = search_parameters(last).any(|parameter| parameter.code == name);
            !known && !RESULT_PARAMETERS.contains(&name)
        };
        match narrowed == parameters || in_compartment || parameters.iter().any(opaque) {
            true => Ok(()),
            false => self.outside(made_up),
        }
    }

    fn is_this(&self, reference: &str) -> bool {
        let reference = reference.trim();
        let id = match reference.rsplit_once('/') {
            None => reference,
            Some((before, id)) if before == "Patient" || before.ends_with("/Patient") => id,
            Some(_) => return false,
        };
        id == self.0
    }
}

/// Whether an `_include` may bring patients that the search did not ask for.
/// What belongs to the compartment leads back to its patient.
fn may_reach_patients(source: &str, code: &str, target: Option<&str>) -> bool {
    if target.is_some_and(|target| target != "Patient") {
        return false;
    }
    if source != "Patient" && links(source).any(|link| link.code == code) {
        return false;
    }
    search_parameters(source)
        .find(|parameter| parameter.code == code)
        .is_none_or(|parameter| parameter.target.is_empty() || targets_patients(parameter))
}
