//! Links, redirects and references of a FHIR server: the token and the query go
//! to the base alone, whatever the server says. A second server hears what
//! leaks, and each case is tried with the tools, not only with the client.

use std::sync::Arc;

use fhir_mcp_server::{
    client::{FixedHeaders, HttpClient, HttpOptions, Interaction, Secret, Source},
    mcp::{self, Options},
};
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::{Value, json};

use crate::support::fhir_server::{BASE_PATH, FhirServer, Reply, Request};

const TOKEN: &str = "canary-token";

/// `next` links as servers were seen to give them, and hostile ones. `{own}` and
/// `{other}` are the ports of the FHIR server and of the one that must hear
/// nothing.
const NEXT: [(&str, &str); 25] = [
    (
        "a port that is the default",
        "http://127.0.0.1:{own}/fhir/r4/Patient?_getpages=a",
    ),
    (
        "the port twice",
        "http://127.0.0.1:{own}:{own}/fhir/r4?_getpages=a",
    ),
    (
        "an inner address",
        "http://10.0.66.99:8080/fhir/r4?_getpages=a",
    ),
    ("a path alone", "/fhir/r4/Patient?page=2"),
    ("a path without the base", "/Patient?page=2"),
    (
        "an inner host name over http",
        "http://fhir-internal:8080/fhir/r4/Patient?ct=a",
    ),
    ("no scheme", "127.0.0.1:{own}/fhir/r4/Patient?page=2"),
    ("localhost", "http://localhost:{own}/fhir/r4/Patient?page=2"),
    ("no type", "http://127.0.0.1:{own}/fhir/r4?_getpages=a"),
    (
        "over 4 kB",
        "http://127.0.0.1:{own}/fhir/r4/Patient?ct={long}",
    ),
    (
        "another server",
        "http://127.0.0.1:{other}/fhir/r4/Patient?page=2",
    ),
    (
        "another server without a scheme",
        "//127.0.0.1:{other}/fhir/r4/Patient",
    ),
    (
        "a user before another host",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/fhir/r4/Patient",
    ),
    (
        "a user and a password",
        "http://a:b@127.0.0.1:{own}/fhir/r4/Patient",
    ),
    (
        "the host as a prefix",
        "http://127.0.0.1.evil.example:{own}/fhir/r4/Patient",
    ),
    (
        "an address in IPv6",
        "http://[::ffff:127.0.0.1]:{other}/fhir/r4/Patient",
    ),
    (
        "an address as a number",
        "http://2130706433:{other}/fhir/r4/Patient",
    ),
    (
        "letters that look alike",
        "http://①②⑦.0.0.1:{other}/fhir/r4/Patient",
    ),
    ("https", "https://127.0.0.1:{other}/fhir/r4/Patient"),
    ("backslashes", "\\\\127.0.0.1:{other}\\fhir\\r4\\Patient"),
    ("a line break", "ht\ntp://127.0.0.1:{other}/fhir/r4/Patient"),
    ("up and away", "http://127.0.0.1:{own}/fhir/r4/../../admin"),
    (
        "up and away, encoded",
        "http://127.0.0.1:{own}/fhir/r4/%2e%2e/%2e%2e/admin",
    ),
    (
        "a base that only begins alike",
        "http://127.0.0.1:{own}/fhir/r4evil/Patient",
    ),
    ("a file", "file:///etc/passwd"),
];

/// Statuses by which a server may send a client elsewhere.
const REDIRECTS: [u16; 6] = [300, 301, 302, 303, 307, 308];

/// Places in resources where URLs stand.
const REFERENCES: [&str; 6] = [
    r#"{"resourceType":"Patient","id":"1","managingOrganization":{"reference":"{url}/Organization/1"}}"#,
    r#"{"resourceType":"Patient","id":"1","photo":[{"contentType":"image/png","url":"{url}/Binary/1"}]}"#,
    r#"{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"{url}/Patient/2"},"type":"refer"}]}"#,
    r#"{"resourceType":"Patient","id":"1","extension":[{"url":"{url}/StructureDefinition/x","valueUrl":"{url}/x"}]}"#,
    r#"{"resourceType":"Patient","id":"1","meta":{"profile":["{url}/StructureDefinition/y"],"source":"{url}/z"}}"#,
    r#"{"resourceType":"Patient","id":"1","implicitRules":"{url}/rules"}"#,
];

struct Site {
    server: FhirServer,
    elsewhere: FhirServer,
    client: rmcp::service::RunningService<rmcp::RoleClient, ()>,
    source: Source,
}

impl Site {
    /// The script gets the port of the other server.
    async fn start(script: impl Fn(&Request, u16) -> Reply + Send + Sync + 'static) -> Self {
        let elsewhere = FhirServer::always(200, "{}").await;
        let other = elsewhere.port();
        let server = FhirServer::start(move |_, request| script(request, other)).await;
        let credential = FixedHeaders::bearer(&Secret::new(TOKEN)).unwrap();
        let options = HttpOptions {
            credential: Some(Arc::new(credential)),
            ..HttpOptions::new(server.base())
        };
        let source = Source::Http(HttpClient::new(options).unwrap());
        let options = Options {
            allow_writes: true,
            writes: fhir_mcp_server::mcp::WriteOptions {
                without_confirmation: true,
                ..Default::default()
            },
            ..Options::default()
        };
        let handler = mcp::FhirServer::new(source.clone(), options);
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { handler.serve(far).await.unwrap().waiting().await });
        let client = ().serve(near).await.unwrap();
        Self {
            server,
            elsewhere,
            client,
            source,
        }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Value {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.client.call_tool(call).await.unwrap();
        result.structured_content.unwrap()
    }

    /// Nothing reached the other server, and nothing of this one lies outside
    /// the base.
    fn check(&self, case: &str) {
        assert!(self.elsewhere.requests().is_empty(), "{case}");
        for request in self.server.requests() {
            let path = request.target.split('?').next().unwrap();
            let rest = path.strip_prefix(BASE_PATH).expect(case);
            assert!(rest.is_empty() || rest.starts_with('/'), "{case}: {path}");
            assert!(
                !rest.contains("..") && !rest.contains("%2e"),
                "{case}: {path}"
            );
        }
    }
}

fn fill(text: &str, own: &str, other: u16) -> String {
    text.replace("{own}", own)
        .replace("{other}", &other.to_string())
        .replace("{long}", &"a".repeat(5000))
}

#[tokio::test]
async fn neither_links_nor_redirects_nor_references_lead_away() {
    let cases = links().await + redirects().await + references().await + others().await;
    println!("link, redirect and reference leaks: {cases} cases, 0 leaks");
    assert!(cases >= 21);
}

async fn links() -> usize {
    for (case, next) in NEXT {
        let site = Site::start(move |request, other| {
            let host = request.header("host").unwrap();
            let own = host.rsplit(':').next().unwrap();
            let bundle = json!({
                "resourceType": "Bundle",
                "type": "searchset",
                "total": 2,
                "link": [{ "relation": "next", "url": fill(next, own, other) }],
                "entry": [{ "resource": { "resourceType": "Patient", "id": "1" }, "search": { "mode": "match" } }],
            });
            Reply::json(200, bundle.to_string())
        })
        .await;
        let own = site.server.port().to_string();
        let link = fill(next, &own, site.elsewhere.port());
        let _ = site.source.send(&Interaction::NextPage { link }).await;
        site.check(case);
        // The model gets a cursor instead of the link, and may only give it back.
        let page = site.call("search", json!({ "type": "Patient" })).await;
        // An error may quote a link that breaks rules of FHIR.
        if page["resourceType"] != "OperationOutcome" {
            assert!(!page.to_string().contains("127.0.0.1"), "{case}: {page}");
        }
        if let Some(cursor) = page.get("cursor") {
            site.call("search", json!({ "type": "Patient", "cursor": cursor }))
                .await;
        }
        site.check(case);
    }
    NEXT.len()
}

async fn redirects() -> usize {
    for status in REDIRECTS {
        let site = Site::start(move |_, other| {
            let location = format!("http://127.0.0.1:{other}{BASE_PATH}/Patient/1");
            Reply::with_headers(status, &[("location", location.as_str())], "")
        })
        .await;
        let case = status.to_string();
        site.call("read", json!({ "type": "Patient", "id": "1" }))
            .await;
        site.call("search", json!({ "type": "Patient" })).await;
        let patient = json!({ "resourceType": "Patient", "active": true });
        site.call("create", json!({ "type": "Patient", "payload": patient }))
            .await;
        site.check(&case);
        assert!(site.server.requests().len() >= 2, "{case}");
    }
    REDIRECTS.len()
}

async fn references() -> usize {
    for resource in REFERENCES {
        let site = Site::start(move |_, other| {
            let url = format!("http://127.0.0.1:{other}/fhir/r4");
            Reply::json(200, resource.replace("{url}", &url))
        })
        .await;
        for arguments in [
            json!({ "type": "Patient", "id": "1" }),
            json!({ "type": "Patient", "id": "1", "view": "raw" }),
        ] {
            site.call("read", arguments).await;
        }
        site.check(resource);
        assert_eq!(site.server.requests().len(), 2, "{resource}");
    }
    REFERENCES.len()
}

/// Where a URL comes with something else: the place of what was created, and
/// the user of the token.
async fn others() -> usize {
    let site = Site::start(|request, other| {
        if request.method == "POST" {
            let location = format!("http://127.0.0.1:{other}/fhir/r4/Patient/1/_history/1");
            let headers = [
                ("location", location.as_str()),
                ("content-location", &location),
            ];
            return Reply::with_headers(201, &headers, "");
        }
        Reply::json(200, r#"{"resourceType":"Patient","id":"1"}"#)
    })
    .await;
    let patient = json!({ "resourceType": "Patient", "active": true });
    site.call("create", json!({ "type": "Patient", "payload": patient }))
        .await;
    site.check("the location of what was created");
    site.call("get_user", json!({})).await;
    site.check("the user");
    2
}
