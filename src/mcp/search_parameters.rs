//! Checks search parameters before they are sent
//! (<https://hl7.org/fhir/R4/search.html>). Servers may ignore what they do not
//! know, and then answer from every patient: a mistyped name must not get that far.

use super::failure::{ToolError, near_names};
use crate::model::near;
use crate::{
    client::{Capabilities, interaction::Parameter},
    model::{
        self, RESOURCE_TYPES,
        search::{SearchParamType, SearchParameter},
    },
};

/// Parameters that all types have: for all resources, and for the result.
const GENERAL: [&str; 22] = [
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_text",
    "_content",
    "_list",
    "_has",
    "_type",
    "_query",
    "_filter",
    "_source",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
];

/// Parameters that say in which format to answer: that is not for callers to choose.
const FORMAT: [&str; 2] = ["_format", "_pretty"];

/// Links in a chain or `_has` at most.
const MAX_CHAIN: usize = 8;

/// What search parameters are checked against.
#[derive(Clone, Copy)]
pub(crate) struct SearchParameters<'a> {
    resource_type: &'a str,
    /// What the server declares, if it could be asked.
    server: Option<&'a Capabilities>,
}

impl<'a> SearchParameters<'a> {
    /// Those of a resource type.
    pub(crate) fn of(resource_type: &'a str, server: Option<&'a Capabilities>) -> Self {
        Self {
            resource_type,
            server,
        }
    }

    /// Drops what chooses the format, and checks everything else.
    ///
    /// # Errors
    /// [`ToolError::Parameters`] with all that is wrong, near matches and the
    /// names that are right.
    pub(crate) fn check(&self, parameters: &mut Vec<Parameter>) -> Result<(), ToolError> {
        parameters.retain(|(name, _)| !FORMAT.contains(&name.as_str()));
        let problems: Vec<String> = parameters
            .iter()
            .filter_map(|(name, value)| self.check_one(name, value).err())
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ToolError::Parameters {
            problems,
            resource_type: self.resource_type.to_owned(),
            valid: self.usable(),
        })
    }

    /// The parameter that lists sort by when the caller does not say: the most
    /// clinical date that type and server have.
    pub(crate) fn date(&self) -> Option<&'static str> {
        const PREFERRED: [&str; 14] = [
            "date",
            "authoredon",
            "authored-on",
            "effective-time",
            "whenhandedover",
            "onset-date",
            "recorded-date",
            "issued",
            "started",
            "period",
            "created",
            "sent",
            "start-date",
            "authored",
        ];
        PREFERRED.into_iter().find(|code| {
            model::search_parameters(self.resource_type)
                .any(|known| known.code == *code && known.kind == SearchParamType::Date)
                && self.declared(code) != Some(false)
        })
    }

    /// Names that type and server have, without the general ones.
    fn usable(&self) -> Vec<String> {
        let mut names: Vec<String> = model::search_parameters(self.resource_type)
            .map(|known| known.code)
            .filter(|code| !code.starts_with('_') && self.declared(code) != Some(false))
            .map(ToOwned::to_owned)
            .chain(self.server_names().into_iter().map(ToOwned::to_owned))
            .filter(|name| !GENERAL.contains(&name.as_str()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn check_one(&self, name: &str, value: &str) -> Result<(), String> {
        if self.server_names().contains(&name) {
            return Ok(());
        }
        match name {
            "_sort" => self.check_sort(value),
            "_include"
            | "_include:iterate"
            | "_include:recurse"
            | "_revinclude"
            | "_revinclude:iterate"
            | "_revinclude:recurse" => check_include(name, value),
            "_summary" => one_of(name, value, &["true", "text", "data", "count", "false"]),
            "_total" => one_of(name, value, &["none", "estimate", "accurate"]),
            "_count" => match value.parse::<u32>() {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("_count wants a number, found {value:?}")),
            },
            _ => self.check_name(name, MAX_CHAIN),
        }
    }

    /// `name`, `name:modifier`, `name.chain`, `name:Type.chain`, `_has:Type:reference:name`.
    fn check_name(&self, name: &str, links: usize) -> Result<(), String> {
        if links == 0 {
            return Err(format!("a chain has at most {MAX_CHAIN} links"));
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return check_reverse_chain(rest, links);
        }
        let (head, chain) = match name.split_once('.') {
            Some((head, chain)) => (head, Some(chain)),
            None => (name, None),
        };
        let (code, modifier) = match head.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (head, None),
        };
        let Some(known) = self.find(code)? else {
            return match chain {
                // A parameter of the server's own: what it leads to is unknown.
                Some(_) => Err(format!("{code} cannot be chained: R4 does not define it")),
                None => Ok(()),
            };
        };
        if let Some(modifier) = modifier {
            check_modifier(known, modifier)?;
        }
        match chain {
            Some(chain) => check_chain(known, modifier, chain, links),
            None => Ok(()),
        }
    }

    /// The parameter with this code; `None` for those that only servers define.
    fn find(&self, code: &str) -> Result<Option<&'static SearchParameter>, String> {
        let mut own = model::search_parameters(self.resource_type);
        let known = own.find(|known| known.code == code);
        if GENERAL.contains(&code) {
            return Ok(known);
        }
        match (known, self.declared(code)) {
            (_, Some(true)) => Ok(known),
            (Some(known), None) => Ok(Some(known)),
            (Some(_), Some(false)) => Err(format!(
                "The FHIR server does not support the search parameter {code} of {}",
                self.resource_type
            )),
            (None, _) => {
                let usable = self.usable();
                let candidates = usable.iter().map(String::as_str).chain(GENERAL);
                Err(format!(
                    "{} has no search parameter {code:?}{}",
                    self.resource_type,
                    near_names(&near::matches(code, candidates))
                ))
            }
        }
    }

    fn check_sort(&self, value: &str) -> Result<(), String> {
        for code in value.split(',') {
            let code = code.trim().trim_start_matches('-');
            if code != "_score" {
                self.find(code)
                    .map_err(|problem| format!("_sort: {problem}"))?;
            }
        }
        Ok(())
    }

    /// Whether the server declares a parameter of the type; `None` when it
    /// declares none at all for it.
    fn declared(&self, code: &str) -> Option<bool> {
        let resource = self.server?.resource(self.resource_type)?;
        let mut names = resource.search_params.iter().map(|known| &known.name);
        (names.len() > 0).then(|| names.any(|name| name == code))
    }

    fn server_names(&self) -> Vec<&'a str> {
        let Some(server) = self.server else {
            return Vec::new();
        };
        let own = server.resource(self.resource_type);
        own.into_iter()
            .flat_map(|resource| &resource.search_params)
            .chain(&server.search_params)
            .map(|known| known.name.as_str())
            .collect()
    }
}

fn check_reverse_chain(rest: &str, links: usize) -> Result<(), String> {
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(reference), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(format!(
            "_has wants _has:Type:reference:parameter, found {:?}",
            format!("_has:{rest}")
        ));
    };
    let source = known_type(source)?;
    let source = SearchParameters::of(source, None);
    match source.find(reference)? {
        Some(known) if known.kind == SearchParamType::Reference => {}
        _ => return Err(format!("_has: {reference} is no reference parameter")),
    }
    source
        .check_name(name, links - 1)
        .map_err(|problem| format!("_has: {problem}"))
}

/// A chain must be right for one of the types that the reference leads to.
fn check_chain(
    known: &SearchParameter,
    modifier: Option<&str>,
    chain: &str,
    links: usize,
) -> Result<(), String> {
    if known.kind != SearchParamType::Reference {
        return Err(format!(
            "{} cannot be chained: it is of type {}, not reference",
            known.code,
            known.kind.as_str()
        ));
    }
    let all = || RESOURCE_TYPES.to_vec();
    let targets = match modifier {
        Some(target) => vec![target],
        None if known.target.is_empty() => all(),
        None => known.target.to_vec(),
    };
    let mut problem = String::new();
    for target in &targets {
        match SearchParameters::of(target, None).check_name(chain, links - 1) {
            Ok(()) => return Ok(()),
            Err(found) if problem.is_empty() => problem = found,
            Err(_) => {}
        }
    }
    Err(problem)
}

/// Modifiers by type of parameter (<https://hl7.org/fhir/R4/search.html#modifiers>).
fn check_modifier(known: &SearchParameter, modifier: &str) -> Result<(), String> {
    let allowed: &[&str] = match known.kind {
        SearchParamType::String => &["missing", "exact", "contains", "text"],
        SearchParamType::Token => &[
            "missing", "text", "not", "above", "below", "in", "not-in", "of-type",
        ],
        SearchParamType::Reference => &["missing", "identifier", "above", "below"],
        SearchParamType::Uri => &["missing", "above", "below"],
        _ => &["missing"],
    };
    let is_type = known.kind == SearchParamType::Reference && RESOURCE_TYPES.contains(&modifier);
    if is_type || allowed.contains(&modifier) {
        return Ok(());
    }
    let (of_type, near) = match known.kind {
        SearchParamType::Reference => (
            " or a resource type",
            near::matches(modifier, RESOURCE_TYPES.iter().copied()),
        ),
        _ => ("", Vec::new()),
    };
    Err(format!(
        "{} has no modifier :{modifier}; parameters of type {} have :{}{of_type}{}",
        known.code,
        known.kind.as_str(),
        allowed.join(", :"),
        near_names(&near)
    ))
}

/// `Type:parameter`, `Type:parameter:Target` or `*`.
fn check_include(name: &str, value: &str) -> Result<(), String> {
    if value == "*" {
        return Ok(());
    }
    let mut parts = value.splitn(3, ':');
    let (Some(source), Some(code)) = (parts.next(), parts.next()) else {
        return Err(format!(
            "{name} wants Type:parameter, for instance MedicationRequest:medication, found {value:?}"
        ));
    };
    let source = known_type(source).map_err(|problem| format!("{name}: {problem}"))?;
    if let Some(target) = parts.next() {
        known_type(target).map_err(|problem| format!("{name}: {problem}"))?;
    }
    if code == "*" {
        return Ok(());
    }
    match SearchParameters::of(source, None).find(code) {
        Ok(Some(known)) if known.kind == SearchParamType::Reference => Ok(()),
        Ok(_) => Err(format!("{name}: {source}:{code} is no reference parameter")),
        Err(problem) => Err(format!("{name}: {problem}")),
    }
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(format!(
        "{name} is one of {}, found {value:?}",
        allowed.join(", ")
    ))
}

fn known_type(name: &str) -> Result<&'static str, String> {
    RESOURCE_TYPES
        .iter()
        .copied()
        .find(|known| *known == name)
        .ok_or_else(|| {
            format!(
                "{name:?} is no FHIR R4 resource type{}",
                near_names(&near::matches(name, RESOURCE_TYPES.iter().copied()))
            )
        })
}

/// A resource type from an argument.
///
/// # Errors
/// [`ToolError::UnknownType`] with near matches.
pub(crate) fn resource_type(given: &str) -> Result<&'static str, ToolError> {
    RESOURCE_TYPES
        .iter()
        .copied()
        .find(|known| *known == given)
        .ok_or_else(|| ToolError::UnknownType {
            given: given.chars().take(100).collect(),
            near: near::matches(given, RESOURCE_TYPES.iter().copied()),
        })
}
