//! Asks the user, in the way of the protocol version of the client.
//!
//! Since 2026-07-28 a server asks by its answer (`input_required`), and the
//! client calls again with what the user said and with the sealed state
//! ([multi round-trip requests](https://modelcontextprotocol.io/specification/2026-07-28/basic/utilities/mrtr)).
//! Before, the server sends a request of its own (`elicitation/create`) and
//! waits, which takes a connection that lasts: stdio, server-sent events, or a
//! session.
//!
//! In both ways the write is planned anew after the user agreed. Only when it
//! is still what they were shown does it happen.

use std::{collections::BTreeMap, time::Duration};

use rmcp::{
    RoleServer, ServiceError,
    model::{
        CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationCapability, ElicitationSchema, InputRequest, InputRequiredResult,
        ProtocolVersion,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::{
    Plan, PlanCall, WriteError,
    seal::{self, Fingerprint},
};
use crate::mcp::{FhirServer, failure::ToolError, reply::Reply, tools};

/// Key of the question among the input requests.
const KEY: &str = "confirmation";

/// The one thing that the user decides.
const CONFIRM: &str = "confirm";

/// How often a client is asked within one call before it is given up.
const MAX_ROUNDS: usize = 3;

const CHANGED: &str =
    "The stored resource has changed since you were asked; this is what would happen now.";

/// What a call of a writing tool comes to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The write happened.
    Done(Reply),
    /// The user must be asked first.
    Ask(Box<InputRequiredResult>),
}

/// How a client can be asked.
enum Way {
    /// By the answer to the call.
    Answer,
    /// By a request to the client.
    Request,
}

/// Plans a write, has it confirmed, and does it.
///
/// # Errors
/// [`ToolError::Write`] when it may not happen, and those of the plan and of
/// the exchange.
pub(crate) async fn run(
    server: &FhirServer,
    plan: PlanCall,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<Outcome, ToolError> {
    let writing = Writing {
        server,
        plan,
        request,
    };
    if server.options().writes.without_confirmation {
        let plan = writing.plan().await?;
        return writing.perform(plan).await;
    }
    match way(context) {
        Some(Way::Answer) => writing.by_answer().await,
        Some(Way::Request) => writing.by_request(context).await,
        None => Err(WriteError::NoElicitation.into()),
    }
}

fn way(context: &RequestContext<RoleServer>) -> Option<Way> {
    let is_modern = context
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if is_modern {
        let capabilities = context.client_capabilities()?;
        return has_forms(capabilities.elicitation.as_ref()).then_some(Way::Answer);
    }
    // Only what the client said when it connected: a request without a
    // connection that lasts has nobody behind it to ask.
    let peer = context.peer.peer_info()?;
    has_forms(peer.capabilities.elicitation.as_ref()).then_some(Way::Request)
}

/// An empty capability means forms.
fn has_forms(capability: Option<&ElicitationCapability>) -> bool {
    capability.is_some_and(|capability| capability.form.is_some() || capability.url.is_none())
}

/// A write on its way.
struct Writing<'a> {
    server: &'a FhirServer,
    plan: PlanCall,
    request: CallToolRequestParams,
}

impl Writing<'_> {
    async fn plan(&self) -> Result<Plan, ToolError> {
        let arguments = self.request.arguments.clone().unwrap_or_default();
        let _permit = self.server.shared.calls.acquire().await.ok();
        (self.plan)(self.server, arguments).await
    }

    async fn perform(&self, plan: Plan) -> Result<Outcome, ToolError> {
        let _permit = self.server.shared.calls.acquire().await.ok();
        let reply = tools::written::perform(self.server, plan).await?;
        Ok(Outcome::Done(reply))
    }

    async fn by_answer(&self) -> Result<Outcome, ToolError> {
        let call = self.call();
        let seal = &self.server.shared.seal;
        let Some(state) = &self.request.request_state else {
            return Ok(self.ask(&call, &self.plan().await?, None));
        };
        let sealed = seal.open(state, &call)?;
        let responses = self.request.input_responses.as_ref();
        let response = responses.and_then(|responses| responses.get(KEY));
        let response = response.and_then(|response| serde_json::from_value(response.clone()).ok());
        let Some(response) = response else {
            return Ok(self.ask(&call, &self.plan().await?, None));
        };
        // Whatever was decided, it was decided now.
        seal.spend(sealed)?;
        decide(&response)?;
        let plan = self.plan().await?;
        if seal::of_plan(&plan) == sealed.plan {
            return self.perform(plan).await;
        }
        Ok(self.ask(&call, &plan, Some(CHANGED)))
    }

    fn ask(&self, call: &Fingerprint, plan: &Plan, remark: Option<&str>) -> Outcome {
        let state = self.server.shared.seal.seal(call, &seal::of_plan(plan));
        let question = InputRequest::Elicitation(ElicitRequest::new(question(plan, remark)));
        let requests = BTreeMap::from([(KEY.to_owned(), question)]);
        let required = InputRequiredResult::new(Some(requests), Some(state));
        Outcome::Ask(Box::new(required))
    }

    async fn by_request(&self, context: &RequestContext<RoleServer>) -> Result<Outcome, ToolError> {
        let mut plan = self.plan().await?;
        let mut remark = None;
        for _ in 0..MAX_ROUNDS {
            // Ends before the call does, which could say only that it took long.
            let within = self.server.options().writes.confirm_within();
            let within = within.min(self.server.patience());
            let asked = context
                .peer
                .create_elicitation_with_timeout(question(&plan, remark), Some(within))
                .await;
            decide(&asked.map_err(|error| unanswered(&error, within))?)?;
            let now = self.plan().await?;
            if seal::of_plan(&now) == seal::of_plan(&plan) {
                return self.perform(now).await;
            }
            plan = now;
            remark = Some(CHANGED);
        }
        Err(WriteError::KeepsChanging.into())
    }

    fn call(&self) -> Fingerprint {
        let arguments = self.request.arguments.as_ref();
        let none = rmcp::model::JsonObject::new();
        let principal = self.server.principal.as_deref().unwrap_or_default();
        seal::of_call(principal, &self.request.name, arguments.unwrap_or(&none))
    }
}

/// The form: a text, and one box to tick. An agreement without the tick is none,
/// so that no client agrees by a default.
fn question(plan: &Plan, remark: Option<&str>) -> ElicitRequestParams {
    let text = plan.question.text();
    let message = match remark {
        Some(remark) => format!("{remark}\n{text}"),
        None => text.to_owned(),
    };
    let form = ElicitationSchema::builder()
        .required_bool_with(CONFIRM, |schema| {
            schema
                .title("Confirm")
                .description("Write this to the FHIR server")
        })
        .build_unchecked();
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message,
        requested_schema: form,
    }
}

fn decide(response: &ElicitResult) -> Result<(), WriteError> {
    let ticked = response.content.as_ref().and_then(|form| form.get(CONFIRM));
    match (&response.action, ticked) {
        (ElicitationAction::Accept, Some(Value::Bool(true))) => Ok(()),
        (ElicitationAction::Accept | ElicitationAction::Decline, _) => {
            Err(WriteError::NotConfirmed("the user declined the write"))
        }
        _ => Err(WriteError::NotConfirmed(
            "the user dismissed the question and decided nothing",
        )),
    }
}

fn unanswered(error: &ServiceError, within: Duration) -> WriteError {
    match error {
        ServiceError::Timeout { .. } => WriteError::Unanswered(within),
        _ => WriteError::NotConfirmed("the client could not ask the user to confirm the write"),
    }
}
