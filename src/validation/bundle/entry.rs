//! An entry of a Bundle by itself: its fullUrl and resource, its request, its
//! response.

use crate::model::{
    BundleEntry, BundleEntryRequest, Resource, Rule, Severity, codes::HttpVerb,
    primitive::CodeType, reader::At,
};
use crate::validation::reference::{
    form::{Rest, is_id, is_resource_type, malformed_absolute, scheme},
    notes::Notes,
    shortened,
};

/// Checks an entry that closes.
pub(crate) fn check(entry: &BundleEntry, at: &mut At<'_, '_>, notes: &mut Notes) {
    notes.entries.push(at.offset());
    full_url(entry, at);
    if let Some(request) = &entry.request {
        self::request(request, entry, at);
    }
    if let Some(response) = &entry.response
        && let Some(status) = response.status.value.as_deref()
    {
        let digits = status.bytes().take_while(u8::is_ascii_digit).count();
        let ends = status
            .get(3..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if digits != 3 || !ends {
            report(
                at,
                "response.status",
                Rule::BundleEntry,
                "a status that starts with the three digits of HTTP".into(),
                status,
            );
        }
    }
}

fn report(at: &mut At<'_, '_>, below: &str, rule: Rule, expected: String, found: &str) {
    let found = format!("\"{}\"", shortened(found));
    at.report_below(below, rule, Severity::Error, expected, found);
}

/// The id of a resource, if it has one.
fn id(resource: &Resource) -> Option<String> {
    crate::validation::reference::id(resource.as_object())
}

fn full_url(entry: &BundleEntry, at: &mut At<'_, '_>) {
    let Some(url) = &entry.full_url.value else {
        return;
    };
    let url = url.as_str();
    let mut wrong = |expected: String| report(at, "fullUrl", Rule::BundleFullUrl, expected, url);
    let Some(scheme) = scheme(url) else {
        return wrong("an absolute URL".into());
    };
    if let Some(expected) = malformed_absolute(url, scheme) {
        return wrong(expected.into());
    }
    // Constraint bdl-8 asks for no version.
    if scheme == "urn" || url.contains("/_history/") {
        return;
    }
    let (Some(rest), Some(resource)) = (Rest::of(url), &entry.resource) else {
        return;
    };
    if !is_resource_type(rest.kind) {
        return;
    }
    let kind = resource.resource_type();
    if rest.kind != kind {
        return wrong(format!(
            "a URL that ends in the type of the resource, {kind}, and its id"
        ));
    }
    if let Some(id) = id(resource)
        && id != rest.id
    {
        wrong(format!(
            "a URL that ends in the id of the resource, {}",
            shortened(&id)
        ));
    }
}

/// The method and the URL of a request, and the resource that it sends
/// (<https://hl7.org/fhir/R4/http.html#transaction>).
fn request(request: &BundleEntryRequest, entry: &BundleEntry, at: &mut At<'_, '_>) {
    let (Some(method), Some(url)) = (request.method.value, &request.url.value) else {
        return;
    };
    let url = url.as_str();
    let resource = entry.resource.as_ref();
    // In a history an entry says what was done, and need not repeat all of it.
    let sends = matches!(method, HttpVerb::POST | HttpVerb::PUT | HttpVerb::PATCH);
    if sends && resource.is_none() && entry.response.is_none() && at.is_complete() {
        at.report(
            Rule::BundleEntry,
            Severity::Error,
            format!("a resource for the method {}", method.as_str()),
            "none".into(),
        );
    }
    if let Some(expected) = unfit(method, url, resource) {
        report(at, "request.url", Rule::BundleEntry, expected, url);
    }
}

/// What would fit the method instead of the URL. URLs of operations and those
/// that are not relative to the server are let pass.
fn unfit(method: HttpVerb, url: &str, resource: Option<&Resource>) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    if scheme(url).is_some() || path.contains('$') {
        return None;
    }
    let mut parts = path.trim_start_matches('/').split('/');
    let kind = parts.next().unwrap_or_default();
    let (id, more) = (parts.next(), parts.next().is_some());
    let conditional = id.is_none() && url.contains('?');
    let instance = id.is_some_and(is_id) && !more;
    let resource_type = resource.map(Resource::resource_type);
    let expected_type = match resource_type {
        Some(name) if method != HttpVerb::PATCH => name,
        _ => "Type",
    };
    let other_type = expected_type != "Type" && kind != expected_type;
    match method {
        HttpVerb::POST => {
            // A search is a POST as well.
            let search = id == Some("_search") || kind == "_search";
            let fits = id.is_none() && is_resource_type(kind) && !other_type;
            (!search && !fits).then(|| format!("the type, {expected_type}, to POST to"))
        }
        HttpVerb::PUT | HttpVerb::PATCH | HttpVerb::DELETE => {
            let fits = is_resource_type(kind) && (instance || conditional);
            let other_type = other_type && method == HttpVerb::PUT;
            if !fits || other_type {
                return Some(format!(
                    "{expected_type}/id or {expected_type}?query to {}",
                    method.as_str()
                ));
            }
            let own = resource
                .filter(|_| method == HttpVerb::PUT)
                .and_then(self::id)?;
            (instance && id != Some(own.as_str()))
                .then(|| format!("the id of the resource, {}, to PUT to", shortened(&own)))
        }
        _ => None,
    }
}
