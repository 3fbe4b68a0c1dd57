//! Discovery, and which endpoints are believed.

use fhir_mcp_server::{
    auth::{
        AuthError,
        smart::{Authentication, SmartClient, SmartConfiguration, SmartOptions},
    },
    client::Tls,
};
use serde_json::json;

use crate::support::{
    authorization_server::{CLIENT, Ehr, configuration},
    cases::{Case, case},
    fhir_server::{FhirServer, Reply},
};

const CONFIGURATION: &str = "/fhir/r4/.well-known/smart-configuration";

/// The token endpoint of a document at a base.
fn endpoint(base: &str, endpoint: &str) -> Result<String, AuthError> {
    let document = json!({"token_endpoint": endpoint}).to_string();
    SmartConfiguration::parse(document.as_bytes(), &base.parse().unwrap())
        .map(|found| found.token_endpoint.unwrap().to_string())
}

fn is_refused(base: &str, url: &str) {
    let found = endpoint(base, url);
    assert!(
        matches!(found, Err(AuthError::Endpoint { .. })),
        "{found:?}"
    );
}

const BASE: &str = "https://fhir.example.org/r4";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = documents();
    cases.extend(endpoints());
    cases
}

fn documents() -> Vec<Case> {
    vec![
        case!("the document lies below the base", {
            let ehr = Ehr::good().await;
            let found = ehr.client().configuration().await.unwrap();
            assert!(found.token_endpoint.as_ref().unwrap().path() == "/token");
            assert_eq!(ehr.requests(CONFIGURATION).len(), 1);
        }),
        case!("it is kept", {
            let ehr = Ehr::good().await;
            let client = ehr.client();
            client.configuration().await.unwrap();
            client.configuration().await.unwrap();
            assert_eq!(ehr.requests(CONFIGURATION).len(), 1);
        }),
        case!("unless the server says no-store", {
            let ehr = Ehr::start(|call| {
                (call.path == CONFIGURATION).then(|| {
                    let text = configuration(&call.origin).to_string();
                    Reply::with_headers(200, &[("cache-control", "no-store")], text)
                })
            })
            .await;
            let client = ehr.client();
            client.configuration().await.unwrap();
            client.configuration().await.unwrap();
            assert_eq!(ehr.requests(CONFIGURATION).len(), 2);
        }),
        case!("members of the wrong kind count as missing", {
            let document = br#"{"token_endpoint":"t","issuer":5,"code_challenge_methods_supported":"x","jwks_uri":null}"#;
            let found = SmartConfiguration::parse(document, &BASE.parse().unwrap()).unwrap();
            assert_eq!(found.issuer, None);
            assert!(found.code_challenge_methods.is_none() && found.jwks_uri.is_none());
        }),
        case!("endpoints that nothing is sent to may be anything", {
            let document =
                br#"{"token_endpoint":"t","revocation_endpoint":"http://10.0.0.1/revoke"}"#;
            let found = SmartConfiguration::parse(document, &BASE.parse().unwrap()).unwrap();
            assert!(found.token_endpoint.is_some());
        }),
        case!("without it the CapabilityStatement names the endpoints", {
            let ehr = Ehr::start(|call| match call.path {
                CONFIGURATION => Some(Reply::json(404, "")),
                "/fhir/r4/metadata" => Some(Reply::json(200, statement(&call.origin))),
                _ => None,
            })
            .await;
            let found = ehr.client().configuration().await.unwrap();
            assert_eq!(found.token_endpoint.as_ref().unwrap().path(), "/token");
            assert_eq!(
                found.authorization_endpoint.as_ref().unwrap().path(),
                "/auth"
            );
        }),
        case!("also where a page of HTML takes its place", {
            let ehr = Ehr::start(|call| match call.path {
                CONFIGURATION => Some(Reply::json(200, "<html>")),
                "/fhir/r4/metadata" => Some(Reply::json(200, statement(&call.origin))),
                _ => None,
            })
            .await;
            assert!(ehr.client().configuration().await.is_ok());
        }),
        case!("with neither there is no sign-in", {
            let ehr =
                Ehr::start(|call| (call.path == CONFIGURATION).then(|| Reply::json(404, ""))).await;
            assert!(ehr.client().configuration().await.is_err());
        }),
        case!(
            "the headers of a gateway go with what lies below the base",
            {
                let ehr = Ehr::start(|call| {
                    let below = call.path.starts_with("/fhir/r4/");
                    (below && call.request.header("x-gateway").is_none())
                        .then(|| Reply::json(403, ""))
                })
                .await;
                let client = SmartClient::new(SmartOptions {
                    base: ehr.server.base(),
                    client_id: CLIENT.to_owned(),
                    authentication: Authentication::Public,
                    scope: String::new(),
                    tls: Tls::default(),
                    headers: vec![("x-gateway".parse().unwrap(), "canary".parse().unwrap())],
                });
                client.unwrap().client_credentials().await.unwrap();
                let token = &ehr.requests("/token")[0];
                assert_eq!(token.header("x-gateway"), None);
            }
        ),
        case!("a redirect is not followed", {
            let other = FhirServer::always(200, "{}").await;
            let location = format!("http://127.0.0.1:{}/x", other.port());
            let ehr = Ehr::start(move |call| {
                (call.path == CONFIGURATION)
                    .then(|| Reply::with_headers(302, &[("location", location.as_str())], ""))
            })
            .await;
            assert!(ehr.client().configuration().await.is_err());
            assert!(other.requests().is_empty());
        }),
        case!("a document of two megabytes is refused", {
            let ehr = Ehr::start(|call| {
                (call.path == CONFIGURATION).then(|| Reply::json(200, " ".repeat(2 << 20)))
            })
            .await;
            assert!(ehr.client().configuration().await.is_err());
        }),
        case!("the old document goes on when a new one cannot be had", {
            let ehr = Ehr::start(|call| {
                (call.path == CONFIGURATION && call.tokens > 0).then(|| Reply::json(503, ""))
            })
            .await;
            let client = ehr.client();
            client.client_credentials().await.unwrap();
            client.configuration().await.unwrap();
        }),
        case!("a token endpoint that moves gets no secret", {
            let other = FhirServer::always(200, "{}").await;
            let moved = format!("http://127.0.0.1:{}/token", other.port());
            let ehr = Ehr::start(move |call| {
                let mut document = configuration(&call.origin);
                if call.tokens > 0 {
                    document["token_endpoint"] = json!(moved);
                }
                let headers = [("cache-control", "no-store")];
                (call.path == CONFIGURATION)
                    .then(|| Reply::with_headers(200, &headers, document.to_string()))
            })
            .await;
            let client = ehr.client();
            client.client_credentials().await.unwrap();
            let error = client.client_credentials().await.unwrap_err();
            assert!(matches!(error, AuthError::Endpoint { .. }), "{error:?}");
            assert!(other.requests().is_empty());
        }),
    ]
}

fn statement(origin: &str) -> String {
    json!({"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [{
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [
            {"url": "authorize", "valueUri": format!("{origin}/auth")},
            {"url": "token", "valueUri": format!("{origin}/token")},
        ],
    }]}}]})
    .to_string()
}

fn endpoints() -> Vec<Case> {
    vec![
        case!("an absolute endpoint is taken as it is", {
            assert_eq!(
                endpoint(BASE, "https://as.example/t?x=1").unwrap(),
                "https://as.example/t?x=1"
            );
        }),
        case!("a relative one is below the base", {
            assert_eq!(
                endpoint(BASE, "auth/t").unwrap(),
                "https://fhir.example.org/r4/auth/t"
            );
        }),
        case!("one that begins with a slash is below the host", {
            assert_eq!(endpoint(BASE, "/t").unwrap(), "https://fhir.example.org/t");
        }),
        case!("a private server may name a private endpoint", {
            assert!(endpoint("https://10.0.0.1/fhir", "https://10.0.0.2/t").is_ok());
        }),
        case!("http is refused", {
            is_refused(BASE, "http://as.example/t")
        }),
        case!("http is taken where it is allowed for the FHIR server", {
            let base = "http://fhir.example/r4";
            assert!(endpoint(base, "http://as.example/t").is_ok());
            is_refused(base, "http://10.0.0.1/t");
            is_refused(base, "http://127.0.0.1/t");
        }),
        case!("other schemes are refused", {
            is_refused(BASE, "ftp://as.example/t")
        }),
        case!("127.0.0.1 is refused", {
            is_refused(BASE, "https://127.0.0.1/t")
        }),
        case!("localhost is refused", {
            is_refused(BASE, "https://localhost./t")
        }),
        case!("a name below localhost is refused", {
            is_refused(BASE, "https://a.localhost/t")
        }),
        case!("::1 is refused", { is_refused(BASE, "https://[::1]/t") }),
        case!("a mapped loopback is refused", {
            is_refused(BASE, "https://[::ffff:127.0.0.1]/t")
        }),
        case!("a loopback in another network's clothes is refused", {
            for host in [
                "[64:ff9b::7f00:1]",
                "[2002:7f00:1::]",
                "198.18.0.1",
                "192.0.0.8",
            ] {
                is_refused(BASE, &format!("https://{host}/t"));
            }
        }),
        case!("an address as one number is refused", {
            is_refused(BASE, "https://2130706433/t")
        }),
        case!("10.0.0.0/8 is refused", {
            is_refused(BASE, "https://10.1.2.3/t")
        }),
        case!("192.168.0.0/16 is refused", {
            is_refused(BASE, "https://192.168.0.1/t")
        }),
        case!("100.64.0.0/10 is refused", {
            is_refused(BASE, "https://100.64.0.1/t")
        }),
        case!("metadata of the cloud is refused", {
            is_refused(BASE, "https://169.254.169.254/t")
        }),
        case!("a unique local address is refused", {
            is_refused(BASE, "https://[fd00::1]/t")
        }),
        case!("0.0.0.0 is refused", {
            is_refused(BASE, "https://0.0.0.0/t")
        }),
        case!("a user name is refused", {
            is_refused(BASE, "https://a@as.example/t")
        }),
        case!("a fragment is refused", {
            is_refused(BASE, "https://as.example/t#f")
        }),
        case!("a loopback server gets no http elsewhere", {
            is_refused("http://127.0.0.1:1/fhir", "http://as.example/t");
        }),
    ]
}
