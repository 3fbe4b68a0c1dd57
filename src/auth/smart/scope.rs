//! Scopes for FHIR resources, of SMART App Launch 1 and 2
//! ([syntax](https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources)).

use crate::client::Interaction;

/// What a scope allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// `c`
    Create,
    /// `r`: of one resource, its history and versions.
    Read,
    /// `u`
    Update,
    /// `d`
    Delete,
    /// `s`: of a type, and its history.
    Search,
}

impl Permission {
    const fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }
}

/// Granted scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<ResourceScope>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResourceScope {
    /// `*` for all.
    resource_type: String,
    /// Letters of `cruds`.
    letters: String,
}

impl Scopes {
    /// Reads scopes separated by blanks; those that are not for resources are
    /// left out.
    pub fn parse(text: &str) -> Self {
        Self(text.split_whitespace().filter_map(parse_one).collect())
    }

    /// Whether something may be done with resources of a type. A scope with a
    /// query allows it for some of them: which, the server judges. Where no
    /// scope speaks of resources nothing is known, and nothing refused.
    pub fn allow(&self, resource_type: &str, permission: Permission) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|scope| {
                (scope.resource_type == "*" || scope.resource_type == resource_type)
                    && scope.letters.contains(permission.letter())
            })
    }

    /// Whether it may be done with resources of any type.
    pub fn allow_some(&self, permission: Permission) -> bool {
        let allows = |scope: &ResourceScope| scope.letters.contains(permission.letter());
        self.0.is_empty() || self.0.iter().any(allows)
    }

    /// The permission that an interaction lacks.
    pub fn lacking<'a>(&self, interaction: &'a Interaction) -> Option<(&'a str, Permission)> {
        needed(interaction).filter(|(name, permission)| !self.allow(name, *permission))
    }
}

/// `context/Type.permissions?query`
fn parse_one(scope: &str) -> Option<ResourceScope> {
    let (context, rest) = scope.split_once('/')?;
    if !matches!(context, "patient" | "user" | "system") {
        return None;
    }
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let (resource_type, permissions) = rest.split_once('.')?;
    let letters = match permissions {
        "read" => "rs",
        "write" => "cud",
        "*" => "cruds",
        letters if is_in_order(letters) => letters,
        _ => return None,
    };
    (!resource_type.is_empty()).then(|| ResourceScope {
        resource_type: resource_type.to_owned(),
        letters: letters.to_owned(),
    })
}

/// Letters of `cruds`, each once at most, in this order.
fn is_in_order(letters: &str) -> bool {
    let mut rest = "cruds".chars();
    !letters.is_empty()
        && letters
            .chars()
            .all(|letter| rest.any(|known| known == letter))
}

/// What an interaction needs. Operations are not covered by scopes, pages go
/// on with a search that was allowed.
fn needed(interaction: &Interaction) -> Option<(&str, Permission)> {
    match interaction {
        Interaction::Capabilities | Interaction::NextPage { .. } => None,
        Interaction::Search { resource_type, .. } => Some((resource_type, Permission::Search)),
        Interaction::Read {
            resource_type,
            operation,
            ..
        } => match operation.as_deref() {
            Some(operation) if operation.starts_with(['$', '*']) => None,
            Some(other) if !other.starts_with('_') => Some((other, Permission::Search)),
            _ => Some((resource_type, Permission::Read)),
        },
        Interaction::Create {
            operation: Some(_), ..
        } => None,
        Interaction::Create { resource_type, .. } => Some((resource_type, Permission::Create)),
        Interaction::Update { resource_type, .. } => Some((resource_type, Permission::Update)),
        Interaction::Delete { resource_type, .. } => Some((resource_type, Permission::Delete)),
    }
}
