//! One interaction as an AuditEvent.

use std::sync::OnceLock;

use base64::Engine as _;
use time::OffsetDateTime;
use url::Url;

use super::{
    Attempt,
    patients::{self, Patients},
};
use crate::{
    client::{Answer, ClientError, Interaction},
    model::{
        AuditEvent, AuditEventAgent, AuditEventAgentNetwork, AuditEventEntity, AuditEventSource,
        CodeableConcept, Coding, Identifier, Meta, Reference, Resource,
        codes::{AuditEventAction, AuditEventOutcome, NetworkType},
        primitive::{Base64Binary, Id, Instant, Primitive},
    },
};

const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const ENTITY_TYPE_OF_BALP: &str =
    "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const URI: &str = "urn:ietf:rfc:3986";
/// Name by which this program is known in its own events.
const SOFTWARE: &str = env!("CARGO_PKG_NAME");

/// How an interaction ended.
pub(super) enum Outcome<'a> {
    Answered(&'a Answer),
    Failed(&'a ClientError),
    /// Nobody waits for it any more.
    GivenUp,
}

impl Outcome<'_> {
    fn code(&self) -> AuditEventOutcome {
        match self {
            Self::Answered(answer) => match answer.status {
                200..=299 => AuditEventOutcome::V0,
                300..=499 => AuditEventOutcome::V4,
                _ => AuditEventOutcome::V8,
            },
            Self::Failed(_) | Self::GivenUp => AuditEventOutcome::V8,
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Answered(answer) => format!("HTTP {}", answer.status),
            Self::Failed(error) => error.to_string(),
            Self::GivenUp => "given up before the answer was complete".to_owned(),
        }
    }

    fn success(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) if (200..300).contains(&answer.status) => Some(answer),
            _ => None,
        }
    }
}

/// The pattern that an interaction follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Create,
    Read,
    Update,
    Delete,
    Query,
}

impl Pattern {
    /// The pattern, and the code of the RESTful interaction. Operations,
    /// histories and compartments ask for what the request says, as queries do.
    fn of(interaction: &Interaction) -> (Self, &'static str) {
        match interaction {
            Interaction::Capabilities => (Self::Read, "capabilities"),
            Interaction::Search { .. } | Interaction::NextPage { .. } => (Self::Query, "search"),
            Interaction::Read { operation, .. } => match operation.as_deref() {
                None => (Self::Read, "read"),
                Some("_history") => (Self::Query, "history-instance"),
                Some(version) if version.starts_with("_history/") => (Self::Read, "vread"),
                Some(operation) if operation.starts_with('$') => (Self::Query, "operation"),
                Some(_) => (Self::Query, "search"),
            },
            Interaction::Create { operation, .. } => match operation {
                None => (Self::Create, "create"),
                Some(_) => (Self::Query, "operation"),
            },
            Interaction::Update { operation, .. } => match operation {
                None => (Self::Update, "update"),
                Some(_) => (Self::Query, "operation"),
            },
            Interaction::Delete { operation, .. } => match operation {
                None => (Self::Delete, "delete"),
                Some(_) => (Self::Query, "operation"),
            },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Query => "Query",
        }
    }

    fn action(self) -> AuditEventAction {
        match self {
            Self::Create => AuditEventAction::C,
            Self::Read => AuditEventAction::R,
            Self::Update => AuditEventAction::U,
            Self::Delete => AuditEventAction::D,
            Self::Query => AuditEventAction::E,
        }
    }

    /// The roles of client and server: where data flows from and where to, which
    /// for a query is the query.
    fn roles(self) -> (CodeableConcept, CodeableConcept) {
        let source = || concept(DICOM, "110153", "Source Role ID");
        let destination = || concept(DICOM, "110152", "Destination Role ID");
        match self {
            Self::Create | Self::Update | Self::Query => (source(), destination()),
            Self::Read => (destination(), source()),
            Self::Delete => (
                concept(DICOM, "110150", "Application"),
                concept(PARTICIPANT, "custodian", "Custodian"),
            ),
        }
    }

    fn user_role(self) -> CodeableConcept {
        match self {
            Self::Read | Self::Query => concept(PARTICIPATION, "IRCP", "information recipient"),
            Self::Create | Self::Update | Self::Delete => concept(PARTICIPATION, "AUT", "author"),
        }
    }
}

/// What an AuditEvent is made of.
pub(super) struct Record<'a> {
    attempt: &'a Attempt<'a>,
    outcome: &'a Outcome<'a>,
    pattern: Pattern,
    interaction: &'static str,
    patients: Patients,
}

impl<'a> Record<'a> {
    pub(super) fn new(attempt: &'a Attempt<'a>, outcome: &'a Outcome<'a>) -> Self {
        let (pattern, interaction) = Pattern::of(attempt.interaction);
        Self {
            attempt,
            outcome,
            pattern,
            interaction,
            patients: patients_of(attempt, outcome),
        }
    }

    pub(super) fn into_json(self) -> String {
        Resource::from(self.event()).to_json()
    }

    fn event(&self) -> AuditEvent {
        let mut entity = vec![self.object()];
        entity.extend(self.patients.iter().map(|id| patient(id)));
        entity.push(self.request_id());
        AuditEvent {
            id: parsed(&uuid::Uuid::new_v4().to_string()),
            meta: self.meta(),
            r#type: Some(coding(EVENT_TYPE, "rest", "RESTful Operation")),
            subtype: vec![coding(INTERACTION, self.interaction, self.interaction)],
            action: self.pattern.action().into(),
            recorded: now(),
            outcome: self.outcome.code().into(),
            outcome_desc: self.outcome.description().into(),
            agent: self.agents(),
            source: Some(AuditEventSource {
                observer: Some(identified(None, SOFTWARE)),
                r#type: vec![coding(SOURCE_TYPE, "4", "Application Server")],
                ..AuditEventSource::default()
            }),
            entity,
            ..AuditEvent::default()
        }
    }

    /// The patterns are about what succeeded, and about one patient at most.
    fn meta(&self) -> Option<Meta> {
        self.outcome.success()?;
        let patient = match self.patients.len() {
            1 => "Patient",
            _ => "",
        };
        Some(Meta {
            profile: vec![parsed(&format!(
                "{PROFILE}{patient}{}",
                self.pattern.name()
            ))],
            ..Meta::default()
        })
    }

    fn agents(&self) -> Vec<AuditEventAgent> {
        let (client_role, server_role) = self.pattern.roles();
        let user = self.user();
        let base = self.attempt.base.url().as_str();
        let client = AuditEventAgent {
            r#type: Some(client_role),
            who: Some(identified(None, SOFTWARE)),
            requestor: user.is_none().into(),
            network: Some(network(host_name(), NetworkType::V1)),
            ..AuditEventAgent::default()
        };
        let server = AuditEventAgent {
            r#type: Some(server_role),
            who: Some(identified(Some(URI), base)),
            requestor: false.into(),
            network: Some(network(base, NetworkType::V5)),
            ..AuditEventAgent::default()
        };
        [client, server].into_iter().chain(user).collect()
    }

    /// The user, by the principal of the call or else as the FHIR server knows
    /// them.
    fn user(&self) -> Option<AuditEventAgent> {
        let grant = self.attempt.grant.as_ref();
        let fhir_user = grant.and_then(|grant| grant.user.as_deref());
        let principal = self.attempt.call.principal();
        if principal.is_none() && fhir_user.is_none() {
            return None;
        }
        let who = Reference {
            reference: fhir_user
                .map(|user| user.to_owned().into())
                .unwrap_or_default(),
            ..principal
                .map(|principal| identified(None, principal))
                .unwrap_or_default()
        };
        Some(AuditEventAgent {
            r#type: Some(self.pattern.user_role()),
            who: Some(who),
            requestor: true.into(),
            ..AuditEventAgent::default()
        })
    }

    /// What the interaction is about: a query, or a resource.
    fn object(&self) -> AuditEventEntity {
        let mut entity = AuditEventEntity {
            r#type: Some(coding(ENTITY_TYPE, "2", "System Object")),
            ..AuditEventEntity::default()
        };
        if self.pattern == Pattern::Query {
            entity.role = Some(coding(OBJECT_ROLE, "24", "Query"));
            entity.query = encoded(target(self.attempt.url));
        } else {
            entity.role = Some(coding(OBJECT_ROLE, "4", "Domain Resource"));
            entity.what = Some(self.resource());
            // Conditions of a conditional update or delete.
            if let Some(query) = self.attempt.url.query().filter(|_| self.is_conditional()) {
                entity.query = encoded(query);
            }
        }
        entity
    }

    fn is_conditional(&self) -> bool {
        matches!(
            self.attempt.interaction,
            Interaction::Update { id: None, .. } | Interaction::Delete { id: None, .. }
        )
    }

    /// The resource; when the server chose its id, as the answer says.
    fn resource(&self) -> Reference {
        let (resource_type, id) = match self.attempt.interaction {
            Interaction::Capabilities | Interaction::NextPage { .. } => {
                let base = self.attempt.base.url().as_str();
                let url = format!("{}/metadata", base.trim_end_matches('/'));
                return Reference {
                    r#type: parsed("CapabilityStatement"),
                    ..identified(Some(URI), &url)
                };
            }
            Interaction::Read {
                resource_type,
                id,
                operation,
                ..
            } => {
                let version = operation.iter().map(|version| format!("/{version}"));
                let id = format!("{id}{}", version.collect::<String>());
                (resource_type, Some(id))
            }
            Interaction::Search { resource_type, .. } => (resource_type, None),
            Interaction::Create { resource_type, .. } => (resource_type, self.assigned_id()),
            Interaction::Update {
                resource_type, id, ..
            }
            | Interaction::Delete {
                resource_type, id, ..
            } => (resource_type, id.clone().or_else(|| self.assigned_id())),
        };
        let reference = id.map(|id| format!("{resource_type}/{id}").into());
        Reference {
            r#type: parsed(resource_type),
            reference: reference.unwrap_or_default(),
            ..Reference::default()
        }
    }

    /// The id in the `Location` of the answer.
    fn assigned_id(&self) -> Option<String> {
        let location = self.outcome.success()?.location.as_deref()?;
        let path = location.split("/_history/").next()?;
        let id = path.rsplit('/').next()?;
        let id: Primitive<Id> = parsed(id);
        id.value.map(|id| id.to_string())
    }

    fn request_id(&self) -> AuditEventEntity {
        AuditEventEntity {
            r#type: Some(Coding {
                system: parsed(ENTITY_TYPE_OF_BALP),
                code: parsed("XrequestId"),
                ..Coding::default()
            }),
            what: Some(identified(None, &self.attempt.call.id().to_string())),
            ..AuditEventEntity::default()
        }
    }
}

fn patients_of(attempt: &Attempt<'_>, outcome: &Outcome<'_>) -> Patients {
    let mut patients = Patients::new();
    patients::of_request(attempt.interaction, &mut patients);
    if matches!(attempt.interaction, Interaction::NextPage { .. }) {
        let parameters: Vec<_> = attempt.url.query_pairs().into_owned().collect();
        patients::of_parameters("", &parameters, &mut patients);
    }
    if let Some(answer) = outcome.success() {
        patients::of_answer(answer, &mut patients);
    }
    if !matches!(attempt.interaction, Interaction::Capabilities) {
        let grant = attempt.grant.as_ref();
        patients.extend(grant.and_then(|grant| grant.patient.clone()));
    }
    patients
}

fn patient(id: &str) -> AuditEventEntity {
    AuditEventEntity {
        r#type: Some(coding(ENTITY_TYPE, "1", "Person")),
        role: Some(coding(OBJECT_ROLE, "1", "Patient")),
        what: Some(Reference {
            reference: format!("Patient/{id}").into(),
            ..Reference::default()
        }),
        ..AuditEventEntity::default()
    }
}

/// Path and query as they were sent.
fn target(url: &Url) -> &str {
    &url[url::Position::BeforePath..]
}

fn encoded(text: &str) -> Primitive<Base64Binary> {
    parsed(&base64::engine::general_purpose::STANDARD.encode(text))
}

fn identified(system: Option<&str>, value: &str) -> Reference {
    Reference {
        identifier: Some(Box::new(Identifier {
            system: system.map(parsed).unwrap_or_default(),
            value: value.to_owned().into(),
            ..Identifier::default()
        })),
        ..Reference::default()
    }
}

fn network(address: &str, kind: NetworkType) -> AuditEventAgentNetwork {
    AuditEventAgentNetwork {
        address: address.to_owned().into(),
        r#type: kind.into(),
        ..AuditEventAgentNetwork::default()
    }
}

fn concept(system: &str, code: &str, display: &str) -> CodeableConcept {
    CodeableConcept {
        coding: vec![coding(system, code, display)],
        ..CodeableConcept::default()
    }
}

fn coding(system: &str, code: &str, display: &str) -> Coding {
    Coding {
        system: parsed(system),
        code: parsed(code),
        display: display.to_owned().into(),
        ..Coding::default()
    }
}

/// A primitive from its text; absent where the text cannot be one.
fn parsed<T: std::str::FromStr>(text: &str) -> Primitive<T> {
    text.parse::<T>()
        .ok()
        .map(Primitive::from)
        .unwrap_or_default()
}

fn now() -> Primitive<Instant> {
    let now = OffsetDateTime::now_utc();
    parsed(&format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond(),
    ))
}

/// Name of this machine, where the system tells it.
fn host_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("COMPUTERNAME").ok());
        name.map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "localhost".to_owned())
    })
}
