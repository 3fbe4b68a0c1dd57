//! The tools there are.

use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};

use super::{
    FhirServer, Options,
    failure::ToolError,
    reply::Reply,
    tools,
    write::{PlanCall, WriteInteraction},
};
use crate::auth::smart::Permission;

/// What a tool does. Arguments come as the client sent them.
pub(crate) type Call = for<'a> fn(&'a FhirServer, JsonObject) -> Answer<'a>;

/// What a tool comes to.
pub(crate) type Answer<'a> = BoxFuture<'a, Result<Reply, ToolError>>;

/// A tool as data.
#[derive(Debug)]
pub(crate) struct ToolEntry {
    /// What clients see.
    pub(crate) definition: Tool,
    /// What it does.
    pub(crate) action: Action,
}

/// What a tool does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Reads, and answers.
    Read(Call),
    /// Plans a write, which happens once it is confirmed.
    Write(WriteInteraction, PlanCall),
}

impl ToolEntry {
    /// A tool that only reads, with everything that clients want to know of it.
    pub(crate) fn new(
        name: &'static str,
        title: &str,
        description: &'static str,
        schemas: (JsonObject, JsonObject),
        call: Call,
    ) -> Self {
        let annotations = ToolAnnotations::with_title(title)
            .read_only(true)
            .destructive(false)
            .idempotent(true);
        let definition = definition(name, title, description, schemas, annotations);
        let action = Action::Read(call);
        Self { definition, action }
    }

    /// A tool that writes; its name is that of the interaction.
    pub(crate) fn writing(
        interaction: WriteInteraction,
        title: &str,
        description: &'static str,
        schemas: (JsonObject, JsonObject),
        plan: PlanCall,
    ) -> Self {
        let adds = interaction == WriteInteraction::Create;
        let annotations = ToolAnnotations::with_title(title)
            .read_only(false)
            .destructive(!adds)
            .idempotent(!adds);
        let name = interaction.as_str();
        let definition = definition(name, title, description, schemas, annotations);
        let action = Action::Write(interaction, plan);
        Self { definition, action }
    }
}

fn definition(
    name: &'static str,
    title: &str,
    description: &'static str,
    (input, output): (JsonObject, JsonObject),
    annotations: ToolAnnotations,
) -> Tool {
    Tool::new(name, description, Arc::new(input))
        .with_title(title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations.open_world(true))
}

/// All tools in the order in which they are listed.
static ALL: LazyLock<Vec<ToolEntry>> = LazyLock::new(|| {
    vec![
        tools::search::tool(),
        tools::read::tool(),
        tools::get_capabilities::tool(),
        tools::describe::tool(),
        tools::validate::tool(),
        tools::get_user::tool(),
        tools::create::tool(),
        tools::update::tool(),
        tools::delete::tool(),
    ]
});

/// What the granted scopes must allow for a tool to be of use.
pub(crate) fn permission(name: &str) -> Option<Permission> {
    Some(match name {
        "search" => Permission::Search,
        "read" => Permission::Read,
        "create" => Permission::Create,
        "update" => Permission::Update,
        "delete" => Permission::Delete,
        _ => return None,
    })
}

/// The tools that a server with these options offers.
pub(crate) fn offered(
    options: &Options,
    may_write: bool,
) -> impl Iterator<Item = &'static ToolEntry> {
    ALL.iter().filter(move |tool| match tool.action {
        Action::Read(_) => true,
        Action::Write(interaction, _) => may_write && options.writes.offers(interaction),
    })
}

/// The offered tool with this name.
pub(crate) fn find(name: &str, options: &Options, may_write: bool) -> Option<&'static ToolEntry> {
    offered(options, may_write).find(|tool| tool.definition.name == name)
}

/// Whether a tool with this name writes.
pub fn is_write(name: &str) -> bool {
    ALL.iter()
        .any(|tool| matches!(tool.action, Action::Write(..)) && tool.definition.name == name)
}
