//! Whatever is given as type, id, operation, parameter or link, no request
//! leaves the FHIR base: two servers on loopback record what arrives.

use std::sync::Arc;

use fhir_mcp_server::client::{
    ClientError, FixedHeaders, HttpClient, HttpOptions, Interaction, Secret,
};
use percent_encoding::percent_decode_str;
use proptest::{
    collection::vec,
    option, prop_oneof,
    strategy::{BoxedStrategy, Just, Strategy},
    test_runner::{Config, TestRunner},
};

use crate::support::fhir_server::{BASE_PATH, FhirServer};

/// Texts that are no type, no id and no operation; `{other}` is the port of a
/// server that must not hear anything.
const HOSTILE: [&str; 64] = [
    "",
    " ",
    ".",
    "..",
    "../",
    "../..",
    "../../admin",
    "/",
    "//",
    "/admin",
    "//127.0.0.1:{other}/",
    "http://127.0.0.1:{other}/fhir/r4/Patient/1",
    "http:/127.0.0.1:{other}",
    "http:127.0.0.1:{other}",
    "@127.0.0.1:{other}",
    ":{other}/fhir/r4",
    "127.0.0.1:{other}",
    "1/..",
    "1/../../..",
    "1/../../../admin",
    "..;",
    "..;/admin",
    ".;/",
    "%2e",
    "%2e%2e",
    "%2e%2e/",
    "%2E%2E%2Fadmin",
    ".%2e",
    "%252e%252e%252f",
    "..%2fadmin",
    "..%5cadmin",
    "..%c0%afadmin",
    "\\",
    "..\\",
    "..\\..\\admin",
    "\\\\127.0.0.1:{other}\\fhir",
    "x?y",
    "?_count=1",
    "1?x=http://127.0.0.1:{other}",
    "x#y",
    "#",
    "x&y=z",
    "x;y=z",
    "x%00y",
    "x\0y",
    "x\r\ny",
    "x\r\nHost: 127.0.0.1:{other}\r\n\r\n",
    "x\ty",
    "x y",
    "x%0d%0ay",
    "\u{2024}\u{2024}",
    "\u{ff0e}\u{ff0e}\u{ff0f}admin",
    "\u{202e}nimda",
    "\u{feff}Patient",
    "P\u{430}tient",
    "Patient\u{200b}",
    "Patient/1/$everything",
    "$",
    "$../x",
    "$everything/../..",
    "_history/..",
    "_history/../../..",
    "urn:uuid:1",
    "{\"a\":1}",
];

#[tokio::test]
async fn hostile_types_ids_and_operations_are_refused_before_anything_is_sent() {
    let site = Site::start().await;
    for text in HOSTILE {
        let text = site.fill(text);
        for interaction in [
            interaction(0, &text, "1", None, &[]),
            interaction(1, &text, "1", None, &[]),
            interaction(2, &text, "1", None, &[]),
            interaction(1, "Patient", &text, None, &[]),
            interaction(3, "Patient", &text, None, &[]),
            interaction(4, "Patient", &text, None, &[]),
            interaction(1, "Patient", "1", Some(&text), &[]),
            interaction(2, "Patient", "1", Some(&text), &[]),
            interaction(3, "Patient", "1", Some(&text), &[]),
            interaction(4, "Patient", "1", Some(&text), &[]),
        ] {
            let result = site.client.send(&interaction).await;
            assert!(
                matches!(
                    result,
                    Err(ClientError::InvalidType
                        | ClientError::InvalidId
                        | ClientError::InvalidOperation)
                ),
                "{interaction:?} gave {result:?}"
            );
        }
    }
    assert!(site.server.requests().is_empty());
    assert!(site.elsewhere.requests().is_empty());
}

#[tokio::test]
async fn hostile_parameters_arrive_as_one_parameter() {
    let site = Site::start().await;
    for text in HOSTILE {
        let text = site.fill(text);
        let parameters = [(text.clone(), text.clone())];
        let interaction = interaction(0, "Patient", "", None, &parameters);
        site.client.send(&interaction).await.unwrap();
        let target = site.server.requests().pop().unwrap().target;
        let query = target.strip_prefix("/fhir/r4/Patient?").unwrap();
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(pairs, parameters);
    }
    assert!(site.elsewhere.requests().is_empty());
}

#[tokio::test]
async fn hostile_links_stay_within_the_base() {
    let site = Site::start().await;
    let mut answered = 0;
    for text in HOSTILE {
        let link = site.fill(text);
        answered += usize::from(
            site.client
                .send(&Interaction::NextPage { link })
                .await
                .is_ok(),
        );
    }
    site.check(answered);
}

#[test]
fn no_request_leaves_the_base_in_ten_thousand_runs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = runtime.block_on(Site::start());
    let mut runner = TestRunner::new(Config {
        cases: 10_000,
        failure_persistence: None,
        ..Config::default()
    });
    let answered = std::cell::Cell::new(0);
    runner
        .run(&interactions(site.elsewhere.port()), |interaction| {
            let result = runtime.block_on(site.client.send(&interaction));
            answered.set(answered.get() + usize::from(result.is_ok()));
            Ok(())
        })
        .unwrap();
    // Else the strategies would only show that everything is refused.
    assert!(answered.get() > 1_000, "{}", answered.get());
    site.check(answered.get());
}

/// A FHIR server, its client, and a second server that must hear nothing.
struct Site {
    server: FhirServer,
    elsewhere: FhirServer,
    client: HttpClient,
}

impl Site {
    async fn start() -> Self {
        let server = FhirServer::always(200, "{}").await;
        let elsewhere = FhirServer::always(200, "{}").await;
        let credential = FixedHeaders::bearer(&Secret::new("canary")).unwrap();
        let options = HttpOptions {
            credential: Some(Arc::new(credential)),
            ..HttpOptions::new(server.base())
        };
        let client = HttpClient::new(options).unwrap();
        Self {
            server,
            elsewhere,
            client,
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{other}", &self.elsewhere.port().to_string())
    }

    /// That every answered interaction was one request within the base.
    fn check(&self, answered: usize) {
        let requests = self.server.requests();
        assert_eq!(requests.len(), answered);
        for request in requests {
            let path = request.target.split('?').next().unwrap();
            assert!(is_within_base(path), "{}", request.target);
        }
        assert!(self.elsewhere.requests().is_empty());
    }
}

/// Whether a path stays below the base, also for a server that decodes it up to
/// three times and takes backslashes for slashes.
fn is_within_base(path: &str) -> bool {
    let mut path = path.to_owned();
    (0..=3).all(|_round| {
        let slashes = path.replace('\\', "/");
        let below = slashes.strip_prefix(BASE_PATH);
        path = percent_decode_str(&slashes)
            .decode_utf8_lossy()
            .into_owned();
        below.is_some_and(|rest| {
            let steps = rest.split('/').map(|step| step.split(';').next().unwrap());
            (rest.is_empty() || rest.starts_with('/')) && steps.clone().all(|step| step != "..")
        })
    })
}

fn interaction(
    kind: usize,
    resource_type: &str,
    id: &str,
    operation: Option<&str>,
    parameters: &[(String, String)],
) -> Interaction {
    let resource_type = resource_type.to_owned();
    let operation = operation.map(ToOwned::to_owned);
    let parameters = parameters.to_vec();
    let body = "{}".to_owned();
    match kind {
        0 => Interaction::Search {
            resource_type,
            parameters,
        },
        1 => Interaction::Read {
            resource_type,
            id: id.to_owned(),
            operation,
            parameters,
        },
        2 => Interaction::Create {
            resource_type,
            operation,
            parameters,
            body,
        },
        3 => Interaction::Update {
            resource_type,
            id: Some(id.to_owned()),
            operation,
            parameters,
            if_match: None,
            body,
        },
        _ => Interaction::Delete {
            resource_type,
            id: Some(id.to_owned()),
            operation,
            parameters,
            if_match: None,
        },
    }
}

/// Interactions with arbitrary, hostile and valid texts in each place.
fn interactions(other: u16) -> BoxedStrategy<Interaction> {
    let types = prop_oneof![3 => Just("Patient".to_owned()), 1 => text(other)];
    let ids = prop_oneof![3 => "[A-Za-z0-9.-]{1,64}", 2 => text(other)];
    let operations = prop_oneof![
        "\\$[a-z-]{1,12}",
        Just("_history".to_owned()),
        "_history/[a-z0-9./]{1,8}",
        text(other),
    ];
    let parameters = vec((text(other), text(other)), 0..4);
    let instance = (0..5_usize, types, ids, option::of(operations), parameters).prop_map(
        |(kind, resource_type, id, operation, parameters)| {
            interaction(kind, &resource_type, &id, operation.as_deref(), &parameters)
        },
    );
    let link = text(other).prop_map(|link| Interaction::NextPage { link });
    prop_oneof![4 => instance, 1 => link].boxed()
}

/// Any text, and texts of the characters that URLs are made of.
fn text(other: u16) -> BoxedStrategy<String> {
    prop_oneof![
        "\\PC{0,16}",
        "(?s).{0,16}",
        "[a-z0-9./%\\\\:?#;$@&=+2eEfF5cC\r\n\t-]{0,24}",
        "((\\.\\.|%2e|%2E|\\.|;)[/\\\\]?){1,6}[a-z]{0,4}",
        proptest::sample::select(&HOSTILE[..])
            .prop_map(move |text| text.replace("{other}", &other.to_string())),
        "[a-z/.]{0,8}".prop_map(move |path| format!("http://127.0.0.1:{other}/{path}")),
    ]
    .boxed()
}
