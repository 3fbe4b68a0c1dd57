//! The audit log: an AuditEvent for each request that a FHIR server hears, and
//! for each interaction with fixtures.

mod shapes;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use base64::Engine as _;
use fhir_mcp_server::{
    client::{
        AuditLog, Call, ClientError, Credential, CredentialError, FixedHeaders, FixtureStore,
        Grant, HttpClient, HttpOptions, Secret, Source, credential::Headers,
    },
    validation::Validator,
};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::support::fhir_server::{FhirServer, Reply, Request};
use shapes::{OBSERVATION, create, delete, read, search, shapes};

const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

/// The events of a file, each of which the validator accepts.
pub(crate) fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let validator = Validator::default();
    let lines = text.lines().map(|line| {
        let reading = validator.read(line.as_bytes());
        let errors: Vec<_> = reading
            .issues
            .iter()
            .filter(|issue| issue.severity.is_error())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        serde_json::from_str(line).unwrap()
    });
    lines.collect()
}

fn entity<'a>(event: &'a Value, role: &str) -> Option<&'a Value> {
    let entities = event["entity"].as_array().unwrap();
    entities.iter().find(|it| it["role"]["code"] == role)
}

fn request_id(event: &Value) -> &str {
    let entities = event["entity"].as_array().unwrap();
    let entity = entities
        .iter()
        .find(|it| it["type"]["code"] == "XrequestId");
    entity.unwrap()["what"]["identifier"]["value"]
        .as_str()
        .unwrap()
}

fn decoded(value: &Value) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap());
    String::from_utf8(bytes.unwrap()).unwrap()
}

struct Site {
    folder: tempfile::TempDir,
    server: FhirServer,
    source: Source,
}

impl Site {
    async fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(script, None).await
    }

    async fn with(
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
        credential: Option<Arc<dyn Credential>>,
    ) -> Self {
        let server = FhirServer::start(script).await;
        let options = HttpOptions {
            credential,
            timeout: Duration::from_secs(2),
            ..HttpOptions::new(server.base())
        };
        let folder = tempfile::tempdir().unwrap();
        let audit = AuditLog::open(&folder.path().join("audit.ndjson")).unwrap();
        let source = Source::Http(HttpClient::new(options).unwrap()).with_audit(Arc::new(audit));
        Self {
            folder,
            server,
            source,
        }
    }

    fn events(&self) -> Vec<Value> {
        events(&self.folder.path().join("audit.ndjson"))
    }
}

/// Records that belong to a patient by other elements than `subject` and
/// `patient`, alone, in a Bundle and in Parameters, and searches for them.
#[tokio::test]
async fn whose_a_record_is_follows_from_the_compartment() {
    let read = |body: &'static str| (read("Basic", "1", None), body);
    let bundle = r#"{"resourceType":"Bundle","type":"searchset"}"#;
    for (interaction, body) in [
        read(
            r#"{"resourceType":"Task","for":{"reference":"Patient/p"},"owner":{"reference":"Practitioner/o"}}"#,
        ),
        read(
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Location/l"}},{"actor":{"reference":"Patient/p"}}]}"#,
        ),
        read(
            r#"{"resourceType":"ResearchSubject","individual":{"reference":"https://x.example/r4/Patient/p"}}"#,
        ),
        read(
            r#"{"resourceType":"Group","member":[{"entity":{"reference":"Patient/p/_history/2"}}]}"#,
        ),
        read(r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/p"}}"#),
        read(
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Task","for":{"reference":"Patient/p"}}}]}}]}"#,
        ),
        read(
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Patient","id":"p"}}]}]}"#,
        ),
        (search("Group", "member", "Patient/p"), bundle),
        (search("Coverage", "beneficiary", "p"), bundle),
        (search("Appointment", "actor:Patient", "p"), bundle),
    ] {
        let site = Site::start(move |_, _| Reply::json(200, body)).await;
        site.source.send(&interaction).await.unwrap();
        let [event] = site.events().try_into().unwrap();
        let text = event["entity"].to_string();
        assert_eq!(
            text.matches(r#""reference":"Patient/p""#).count(),
            1,
            "{body}: {text}"
        );
    }
}

#[tokio::test]
async fn each_interaction_has_the_shape_of_its_pattern() {
    let mut patterns = BTreeSet::new();
    for (interaction, body, pattern, action, subtype, patients) in shapes() {
        let site = Site::start(move |_, _| Reply::json(200, body)).await;
        let call = Call::new(Some("principal-hash"));
        site.source
            .for_call(call.clone())
            .send(&interaction)
            .await
            .unwrap();
        let [event] = site.events().try_into().unwrap();
        let [request] = site.server.requests().try_into().unwrap();

        assert_eq!(
            event["meta"]["profile"][0],
            format!("{PROFILE}{pattern}"),
            "{event}"
        );
        assert_eq!(event["type"]["code"], "rest");
        assert_eq!(event["action"], action);
        assert_eq!(event["subtype"][0]["code"], subtype);
        assert_eq!(event["outcome"], "0");
        let named: Vec<_> = event["entity"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["type"]["code"] == "1" && it["role"]["code"] == "1")
            .map(|it| it["what"]["reference"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = patients.iter().map(|id| format!("Patient/{id}")).collect();
        assert_eq!(named, expected, "{event}");
        check_agents(&event, pattern, &site.server);
        let id = call.id().to_string();
        assert_eq!(request_id(&event), id);
        assert_eq!(request.header("x-request-id"), Some(id.as_str()));
        match entity(&event, "24") {
            Some(query) => assert_eq!(decoded(&query["query"]), request.target),
            None => assert!(!entity(&event, "4").unwrap()["what"].is_null()),
        }
        assert_eq!(entity(&event, "24").is_some(), pattern.ends_with("Query"));
        patterns.insert(pattern);
    }
    println!("audit patterns: {}", patterns.len());
    assert_eq!(patterns.len(), 10);
}

fn check_agents(event: &Value, pattern: &str, server: &FhirServer) {
    let role = |index: usize| event["agent"][index]["type"]["coding"][0]["code"].as_str();
    let (client, fhir, user) = match pattern.trim_start_matches("Patient") {
        "Read" => ("110152", "110153", "IRCP"),
        "Query" => ("110153", "110152", "IRCP"),
        "Delete" => ("110150", "custodian", "AUT"),
        _ => ("110153", "110152", "AUT"),
    };
    assert_eq!(
        [role(0), role(1), role(2)],
        [Some(client), Some(fhir), Some(user)]
    );
    let agents = event["agent"].as_array().unwrap();
    let requestors: Vec<_> = agents
        .iter()
        .map(|agent| agent["requestor"].as_bool())
        .collect();
    assert_eq!(requestors, [Some(false), Some(false), Some(true)]);
    assert_eq!(agents[2]["who"]["identifier"]["value"], "principal-hash");
    assert_eq!(agents[1]["network"]["address"], server.base().as_str());
    assert!(agents[0]["network"]["address"].is_string());
}

#[tokio::test]
async fn what_the_server_named_is_named() {
    let site = Site::start(|_, request| {
        let location = format!(
            "{}/Basic/new-id/_history/1",
            request.target.split("/Basic").next().unwrap()
        );
        Reply::with_headers(201, &[("location", location.as_str())], "")
    })
    .await;
    site.source
        .send(&create("Basic", r#"{"resourceType":"Basic"}"#))
        .await
        .unwrap();
    let query = [("identifier", "a|b")];
    site.source
        .send(&delete("Basic", None, &query))
        .await
        .unwrap();
    let events = site.events();
    let created = entity(&events[0], "4").unwrap();
    assert_eq!(created["what"]["reference"], "Basic/new-id");
    let deleted = entity(&events[1], "4").unwrap();
    assert_eq!(decoded(&deleted["query"]), "identifier=a%7Cb");
}

#[tokio::test]
async fn failures_are_written_and_claim_no_pattern() {
    for (status, outcome) in [(404, "4"), (403, "4"), (302, "8"), (500, "8")] {
        let site = Site::start(move |_, _| Reply::json(status, "{}")).await;
        let _ = site.source.send(&read("Patient", "p", None)).await;
        let [event] = site.events().try_into().unwrap();
        assert_eq!(event["outcome"], outcome);
        assert!(event["meta"].is_null());
        assert!(
            event["outcomeDesc"]
                .as_str()
                .unwrap()
                .contains(&status.to_string())
        );
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_written() {
    let site = Site::start(|_, _| Reply::Silence).await;
    let error = site
        .source
        .send(&read("Patient", "slow", None))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    {
        let dropped = read("Patient", "dropped", None);
        let mut sending = Box::pin(site.source.send(&dropped));
        while site.server.requests().len() < 2 {
            let step = Duration::from_millis(5);
            assert!(tokio::time::timeout(step, &mut sending).await.is_err());
        }
    }
    let events = site.events();
    assert_eq!(events.len(), 2);
    for (event, id) in events.iter().zip(["slow", "dropped"]) {
        assert_eq!(event["outcome"], "8");
        let what = &entity(event, "4").unwrap()["what"]["reference"];
        assert_eq!(what, &format!("Patient/{id}"));
    }
}

#[derive(Debug)]
struct SignedIn;

impl Credential for SignedIn {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        let headers = FixedHeaders::bearer(&Secret::new("canary")).unwrap();
        Box::pin(async move { headers.headers().await })
    }

    fn refused<'a>(&'a self, _: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        Box::pin(async { Ok(true) })
    }

    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        let grant = Grant {
            scope: None,
            patient: Some("launched".to_owned()),
            user: Some("Practitioner/dr".to_owned()),
        };
        Box::pin(async { Ok(Arc::new(grant)) })
    }
}

/// Repeats, second tries, capability fetches: whatever the server hears.
#[tokio::test]
async fn there_are_as_many_events_as_requests() {
    let script = |number: usize, request: &Request| match number {
        _ if request.target.contains("/metadata") && request.header("authorization").is_none() => {
            Reply::json(401, "")
        }
        n if n % 3 == 0 => Reply::with_headers(503, &[("retry-after", "0")], ""),
        n if n % 5 == 1 => Reply::json(401, ""),
        n if n % 7 == 2 => Reply::json(500, "no JSON"),
        _ => Reply::json(200, OBSERVATION),
    };
    let site = Site::with(script, Some(Arc::new(SignedIn))).await;
    let source = site.source.for_call(Call::new(None));
    for _ in 0..3 {
        for (interaction, ..) in shapes() {
            let _ = source.send(&interaction).await;
        }
        let _ = source.capabilities().await;
    }
    let (events, requests) = (site.events(), site.server.requests());
    println!(
        "audit events: {}, upstream requests: {}",
        events.len(),
        requests.len()
    );
    assert!(requests.len() > 57);
    assert_eq!(events.len(), requests.len());
    let ids: BTreeSet<_> = requests
        .iter()
        .map(|it| it.header("x-request-id").unwrap())
        .collect();
    assert_eq!(ids.len(), 1);
    let signed_in = events
        .iter()
        .find(|event| event["subtype"][0]["code"] == "search")
        .unwrap();
    assert_eq!(signed_in["agent"][2]["who"]["reference"], "Practitioner/dr");
    assert!(signed_in.to_string().contains("Patient/launched"));
    assert!(!format!("{events:?}").contains("canary"));
}

#[tokio::test]
async fn fixtures_are_audited_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.ndjson");
    let audit = Arc::new(AuditLog::open(&path).unwrap());
    let source = Source::Fixtures(FixtureStore::new()).with_audit(audit);
    let all = shapes();
    for (interaction, ..) in &all {
        let _ = source.send(interaction).await;
    }
    assert_eq!(events(&path).len(), all.len());
    // What is refused before it is sent is no interaction.
    source.send(&read("Patient", "..", None)).await.unwrap_err();
    assert_eq!(events(&path).len(), all.len());
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone_and_is_appended_to() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.ndjson");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let send = async || {
        let audit = Arc::new(AuditLog::open(&path).unwrap());
        let source = Source::Fixtures(FixtureStore::new()).with_audit(audit);
        source.send(&read("Patient", "1", None)).await.unwrap();
    };
    send().await;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    send().await;
    assert_eq!(mode(), 0o600);
    assert_eq!(events(&path).len(), 2);
    // A line that a crash cut off does not spoil the next one.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    send().await;
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    let last = text.lines().next_back().unwrap();
    assert!(serde_json::from_str::<Value>(last).is_ok());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_the_log_nothing_is_asked() {
    let server = FhirServer::always(200, "{}").await;
    let audit = AuditLog::open(Path::new("/dev/full")).unwrap();
    let client = HttpClient::new(HttpOptions::new(server.base())).unwrap();
    let source = Source::Http(client).with_audit(Arc::new(audit));
    for _ in 0..3 {
        let error = source.send(&create("Basic", "{}")).await.unwrap_err();
        assert!(matches!(error, ClientError::Audit { .. }), "{error}");
    }
    // The first request was sent before anybody could know.
    assert_eq!(server.requests().len(), 1);
}
