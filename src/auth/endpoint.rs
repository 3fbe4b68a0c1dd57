//! Which endpoints of a discovery document are sent anything.

use std::net::IpAddr;

use url::{Host, Url};

use super::{
    address::{is_public, reached},
    error::AuthError,
};

/// How far a host can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// This machine.
    Loopback,
    /// A private network, by its address.
    Private,
    /// Anything else: names are not resolved here.
    Public,
}

/// Checks an endpoint that a server near `near` names: https, or http where
/// both are this machine, or where the operator has allowed http for `near`
/// itself (`FHIR_SERVER_AUTH_ALLOW_HTTP`); no user; and no address of a closer
/// network than that of the server that named it, so that no server makes us
/// call our neighbours.
///
/// # Errors
/// [`AuthError::Endpoint`].
pub fn check(name: &'static str, endpoint: &Url, near: &Url) -> Result<(), AuthError> {
    let wrong = |reason: &str| {
        Err(AuthError::Endpoint {
            name,
            reason: reason.to_owned(),
        })
    };
    let Some(reach) = reach(endpoint) else {
        return wrong("it has no host that can be called");
    };
    let from = self::reach(near).unwrap_or(Reach::Public);
    if reach < from {
        return wrong("it lies in a closer network than the FHIR server itself");
    }
    match endpoint.scheme() {
        "https" => {}
        "http" if reach == Reach::Loopback => {}
        // Whoever reads along there could have named any endpoint.
        "http" if near.scheme() == "http" && from != Reach::Loopback => {}
        "http" => return wrong("it is http, and only https keeps secrets"),
        _ => return wrong("it is no https URL"),
    }
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        return wrong("it holds a user name or a password");
    }
    if endpoint.fragment().is_some() {
        return wrong("it holds a fragment");
    }
    Ok(())
}

fn reach(url: &Url) -> Option<Reach> {
    let address = match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let local = name == "localhost" || name.ends_with(".localhost");
            return Some(if local {
                Reach::Loopback
            } else {
                Reach::Public
            });
        }
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
    };
    let address = reached(address);
    let nobody = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    if nobody || address.is_unspecified() || address.is_multicast() {
        return None;
    }
    Some(match (address.is_loopback(), is_public(address)) {
        (true, _) => Reach::Loopback,
        (false, false) => Reach::Private,
        (false, true) => Reach::Public,
    })
}
