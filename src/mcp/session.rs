//! What the session at the FHIR server allows: its scopes, its patient, and
//! the way to sign in.

use std::sync::Arc;

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitationAction, InputRequest,
        InputRequiredResult, Tool,
    },
    service::RequestContext,
};
use url::Url;
use uuid::Uuid;

use super::{FhirServer, catalogue, failure::ToolError};
use crate::{
    auth::{
        compartment::PatientCompartment,
        smart::{Permission, Scopes},
    },
    client::{Answer, ClientError, CredentialError, Grant, Interaction, interaction::Parameter},
};

impl FhirServer {
    /// Sends an interaction as far as the session goes: with a token, within
    /// its scopes and its patient. The only way from tools to a source.
    ///
    /// # Errors
    /// [`ToolError::NotGranted`] and [`ToolError::Outside`], for which nothing
    /// was sent; [`ToolError::OfOthers`] for an answer that is kept back;
    /// [`ToolError::Client`].
    pub(crate) async fn send(&self, interaction: &Interaction) -> Result<Sent, ToolError> {
        let sent = |answer| Sent {
            answer,
            narrowing: None,
        };
        let Some(grant) = self.grant().await? else {
            return Ok(sent(self.source().send(interaction).await?));
        };
        if let Some(scope) = &grant.scope
            && let Some((name, permission)) = Scopes::parse(scope).lacking(interaction)
        {
            let what = format!("{} of {name}", verb(permission));
            return Err(ToolError::NotGranted { what });
        }
        let Some(patient) = &grant.patient else {
            return Ok(sent(self.source().send(interaction).await?));
        };
        let compartment = PatientCompartment(patient);
        let confined = compartment.confine(interaction)?;
        let answer = self.source().send(&confined).await?;
        // Whose records they are shows only now.
        if self.is_of_others(&compartment, &answer) {
            return Err(ToolError::OfOthers {
                status: answer.status,
                patient: patient.clone(),
            });
        }
        let added = PatientCompartment::added(interaction, &confined);
        let narrowing = (!added.is_empty()).then(|| Narrowing {
            patient: patient.clone(),
            added,
        });
        Ok(Sent { answer, narrowing })
    }

    fn is_of_others(&self, compartment: &PatientCompartment<'_>, answer: &Answer) -> bool {
        let body = answer
            .body
            .strip_prefix("\u{feff}".as_bytes())
            .unwrap_or(&answer.body);
        // What is no JSON may still be read by a reader that forgives more.
        let resource = serde_json::from_slice(body).ok().or_else(|| {
            let resource = self.validator().read(&answer.body).value?;
            serde_json::from_str(&resource.to_json()).ok()
        });
        resource.is_some_and(|resource| compartment.excludes_any(&resource))
    }

    /// Whether the session is for one patient.
    ///
    /// # Errors
    /// [`ToolError::Client`] where there is no token.
    pub(crate) async fn is_for_one_patient(&self) -> Result<bool, ToolError> {
        let grant = self.grant().await?;
        Ok(grant.is_some_and(|grant| grant.patient.is_some()))
    }

    /// What was granted; waits for a token where there is none yet.
    pub(crate) async fn grant(&self) -> Result<Option<Arc<Grant>>, ToolError> {
        let grant = self.source().grant().await;
        grant.map_err(|error| ToolError::Client(ClientError::Credential(error)))
    }

    /// Refuses a tool for which no scope was granted, even if somebody knows
    /// its name. Gets a token first, outside the time limit of a request.
    pub(crate) async fn admit(&self, tool: &str) -> Result<(), ToolError> {
        let Some(permission) = catalogue::permission(tool) else {
            if tool == "get_user" {
                self.grant().await?;
            }
            return Ok(());
        };
        let grant = self.grant().await?;
        match grant.is_none_or(|grant| allows(&grant, permission)) {
            true => Ok(()),
            false => Err(ToolError::NotGranted {
                what: format!("tool {tool}"),
            }),
        }
    }

    /// Whether a tool is of use with what is known to be granted.
    pub(crate) fn is_of_use(&self, tool: &Tool) -> bool {
        let Some(permission) = catalogue::permission(&tool.name) else {
            return true;
        };
        let grant = self.source().known_grant();
        grant.is_none_or(|grant| allows(&grant, permission))
    }
}

/// An answer, and what the session made of the interaction.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) answer: Answer,
    pub(crate) narrowing: Option<Narrowing>,
}

/// What was asked for is less than the caller said: records of one patient.
#[derive(Debug)]
pub(crate) struct Narrowing {
    /// Id of the patient.
    pub(crate) patient: String,
    /// The parameters that see to it.
    pub(crate) added: Vec<Parameter>,
}

impl Narrowing {
    /// What the model is told.
    pub(crate) fn warning(&self) -> String {
        let pair = |(name, value): &Parameter| format!("{name}={value}");
        let added: Vec<String> = self.added.iter().map(pair).collect();
        format!(
            "This session is for one patient: the search was narrowed to Patient/{} with {}. The answer says nothing of other patients, whether there are such records or not",
            self.patient,
            added.join("&")
        )
    }
}

fn allows(grant: &Grant, permission: Permission) -> bool {
    grant
        .scope
        .as_deref()
        .is_none_or(|scope| Scopes::parse(scope).allow_some(permission))
}

const fn verb(permission: Permission) -> &'static str {
    match permission {
        Permission::Create => "create",
        Permission::Read => "read",
        Permission::Update => "update",
        Permission::Delete => "delete",
        Permission::Search => "search",
    }
}

/// Where a person must sign in before a call can succeed.
fn sign_in<T>(result: &Result<T, ToolError>) -> Option<&Url> {
    match result {
        Err(ToolError::Client(ClientError::Credential(CredentialError::SignIn { url }))) => {
            Some(url)
        }
        _ => None,
    }
}

/// Key of the only thing that is ever asked for.
const SIGN_IN: &str = "sign-in";

/// Admits a call, and has the user asked to sign in where that is needed and
/// the client can ask. What comes back is to be asked before the call is sent
/// again, which is the way of 2026-07-28; earlier versions are asked at once.
///
/// # Errors
/// Those of [`FhirServer::admit`]; the URL is in the message.
pub(crate) async fn admit(
    server: &FhirServer,
    tool: &str,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<Option<InputRequiredResult>, ToolError> {
    let admitted = server.admit(tool).await;
    let Some(url) = sign_in(&admitted).filter(|_| asks_for_urls(context)) else {
        return admitted.map(|()| None);
    };
    let elicitation = ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: "Sign in at the FHIR server to go on".to_owned(),
        url: url.to_string(),
        elicitation_id: Uuid::new_v4().to_string(),
    };
    let modern = context
        .protocol_version()
        .is_some_and(|version| !version.has_initialize());
    if modern {
        // Somebody who was asked already and did not sign in gets the URL.
        if request.input_responses.is_some() {
            return admitted.map(|()| None);
        }
        let ask = InputRequest::Elicitation(ElicitRequest::new(elicitation));
        let requests = [(SIGN_IN.to_owned(), ask)].into_iter().collect();
        return Ok(Some(InputRequiredResult::new(Some(requests), None)));
    }
    // Whoever does not come back gets the URL, before the call ends without it.
    let within = Some(server.patience());
    let asking = context
        .peer
        .create_elicitation_with_timeout(elicitation, within);
    let answer = asking.await;
    match answer {
        Ok(answer) if answer.action == ElicitationAction::Accept => server.admit(tool).await?,
        _ => admitted?,
    }
    Ok(None)
}

fn asks_for_urls(context: &RequestContext<RoleServer>) -> bool {
    context
        .client_capabilities()
        .and_then(|capabilities| capabilities.elicitation)
        .is_some_and(|elicitation| elicitation.url.is_some())
}
