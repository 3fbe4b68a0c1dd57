//! The tools there are.

use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};

use super::{FhirServer, Options, failure::ToolError, reply::Reply, tools};
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
    pub(crate) call: Call,
    writes: bool,
}

/// What a tool does to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Reads,
    /// Adds one.
    Adds,
    /// Changes or removes one.
    Changes,
}

impl ToolEntry {
    /// A tool with everything that clients want to know of it.
    pub(crate) fn new(
        name: &'static str,
        title: &str,
        effect: Effect,
        description: &'static str,
        (input, output): (JsonObject, JsonObject),
        call: Call,
    ) -> Self {
        let annotations = ToolAnnotations::with_title(title)
            .read_only(effect == Effect::Reads)
            .destructive(effect == Effect::Changes)
            .idempotent(effect != Effect::Adds)
            .open_world(true);
        Self {
            definition: Tool::new(name, description, Arc::new(input))
                .with_title(title)
                .with_raw_output_schema(Arc::new(output))
                .with_annotations(annotations),
            call,
            writes: effect != Effect::Reads,
        }
    }
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
pub(crate) fn offered(options: Options) -> impl Iterator<Item = &'static ToolEntry> {
    ALL.iter()
        .filter(move |tool| options.allow_writes || !tool.writes)
}

/// The offered tool with this name.
pub(crate) fn find(name: &str, options: Options) -> Option<&'static ToolEntry> {
    offered(options).find(|tool| tool.definition.name == name)
}

/// Whether a tool with this name writes.
pub fn is_write(name: &str) -> bool {
    ALL.iter()
        .any(|tool| tool.writes && tool.definition.name == name)
}
