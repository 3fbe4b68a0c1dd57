//! The pages that users see: whether to let a client in, and what went wrong.
//! Without scripts, and with everything that others chose escaped.

use url::{Host, Url};

use super::{CONSENT, Client};
use crate::auth::{html::escaped, scope::Scopes};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}h1{font-size:1.4rem}dt{font-weight:600;margin-top:.75rem}dd{margin:0;overflow-wrap:anywhere}p.note{border-left:.25rem solid #b45309;padding-left:.75rem}button{font:inherit;padding:.6rem 1.4rem;margin:1rem .75rem 0 0;border-radius:.4rem;border:2px solid #1d4ed8;background:#1d4ed8;color:#fff;cursor:pointer}button[value=deny]{background:#fff;color:#1d4ed8}button:focus-visible{outline:3px solid #f59e0b;outline-offset:2px}@media(prefers-color-scheme:dark){body{background:#111827;color:#f3f4f6}button[value=deny]{background:#111827;color:#93c5fd;border-color:#93c5fd}}";

/// What the consent page says.
pub(super) struct Consent<'a> {
    pub(super) client: &'a Client,
    /// Where the answer goes.
    pub(super) redirect_uri: &'a Url,
    pub(super) scopes: Scopes,
    /// The FHIR server as users know it.
    pub(super) fhir_server: &'a str,
    /// Path of this server before its own paths.
    pub(super) base: &'a str,
    /// The sealed request.
    pub(super) request: &'a str,
}

impl Consent<'_> {
    pub(super) fn html(&self) -> String {
        let name = escaped(
            self.client
                .name
                .as_deref()
                .unwrap_or("An application without a name"),
        );
        let who = match &self.client.document_host {
            Some(host) => format!("described at <strong>{}</strong>", escaped(host)),
            None => "registered itself; nobody has checked its name".to_owned(),
        };
        let may = if self.scopes.write {
            "read your records and the records you have access to, and <strong>create, change and delete</strong> them"
        } else {
            "read your records and the records you have access to"
        };
        let body = format!(
            "<h1>Allow {name} to use your health records?</h1>\
             <dl>\
             <dt>Application</dt><dd>{name} ({who})</dd>\
             <dt>It may</dt><dd>{may} ({scopes}), for up to 30 days</dd>\
             <dt>Records of</dt><dd>{server}</dd>\
             <dt>Access is given to</dt><dd><strong>{host}</strong>{local}</dd>\
             </dl>\
             <p class=\"note\">Go on only if you started this yourself, in an application that you trust. You sign in at {server} next.</p>\
             <form method=\"post\" action=\"{action}\">\
             <input type=\"hidden\" name=\"request\" value=\"{request}\">\
             <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\
             <button type=\"submit\" name=\"decision\" value=\"deny\">Do not allow</button>\
             </form>",
            scopes = escaped(&self.scopes.to_string()),
            server = escaped(self.fhir_server),
            host = escaped(&authority(self.redirect_uri)),
            local = match self.redirect_uri.scheme() {
                "http" => ", which is whatever program listens there on this computer",
                _ => "",
            },
            action = escaped(&format!("{}{CONSENT}", self.base)),
            request = escaped(self.request),
        );
        page("Allow access?", &body)
    }
}

/// A page that says what went wrong and what to do.
pub(super) fn failure(what: &str, advice: &str) -> String {
    let body = format!("<h1>{}</h1><p>{}</p>", escaped(what), escaped(advice));
    page("Sign-in failed", &body)
}

/// A page that says what went wrong, with the way to the client that asked.
pub(super) fn way_back(what: &str, url: &Url) -> String {
    let body = format!(
        "<h1>The application asked for what cannot be given</h1><p>{what}</p>\
         <p class=\"note\">Go on only if you know {host}.</p>\
         <p><a href=\"{url}\" rel=\"noreferrer\">Back to the application at {host}</a></p>",
        what = escaped(what),
        host = escaped(&authority(url)),
        url = escaped(url.as_str()),
    );
    page("Sign-in failed", &body)
}

fn authority(url: &Url) -> String {
    let host = match url.host() {
        // As it is sent, in ASCII: no letters that only look like others.
        Some(Host::Domain(name)) => name.to_owned(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\">\
         <title>{title} - FHIR MCP Server</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n"
    )
}
