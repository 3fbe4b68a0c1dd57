//! The tools, from an MCP client to a FHIR server on loopback.

use fhir_mcp_server::{
    client::{HttpClient, HttpOptions, Source},
    mcp::{self, OnInvalid, Options},
};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, ReadResourceRequestParams, ResourceContents},
    service::RunningService,
};
use serde_json::{Value, json};

use crate::support::fhir_server::{BASE_PATH, FhirServer, Reply, Request};

/// A client of a server in front of the FHIR server.
struct Setting {
    fhir: FhirServer,
    client: RunningService<RoleClient, ()>,
}

impl Setting {
    /// With a FHIR server that has a CapabilityStatement and answers the rest by
    /// method and target below the base.
    async fn start(
        options: Options,
        script: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::scripted(options, move |request| {
            let (status, body) = script(request.method.as_str(), below_base(request));
            Reply::json(status, body)
        })
        .await
    }

    async fn scripted(
        options: Options,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let fhir = FhirServer::start(move |_, request| {
            if below_base(request).starts_with("/metadata") {
                return Reply::json(200, capability_statement());
            }
            script(request)
        })
        .await;
        let client = HttpClient::new(HttpOptions::new(fhir.base())).unwrap();
        let server = mcp::FhirServer::new(Source::Http(client), options);
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
        let client = ().serve(near).await.unwrap();
        Self { fhir, client }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.client.call_tool(request).await.unwrap();
        let text = &result.content[0].as_text().unwrap().text;
        assert!(text.chars().count() <= 45_000);
        assert!(result.structured_content.is_some());
        result
    }

    /// The structured content of a call that succeeds.
    async fn ok(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(
            result.is_error,
            Some(false),
            "{:?}",
            result.structured_content
        );
        let structured = result.structured_content.unwrap();
        let schema = self.output_schema(tool).await;
        let errors: Vec<_> = schema
            .iter_errors(&structured)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{tool}: {errors:?}");
        structured
    }

    async fn output_schema(&self, tool: &str) -> jsonschema::Validator {
        let tools = self.client.list_all_tools().await.unwrap();
        let tool = tools.into_iter().find(|known| known.name == tool).unwrap();
        let mut schema = (*tool.output_schema.unwrap()).clone();
        // What is not declared is a mistake in a test, not for clients.
        schema.insert("additionalProperties".to_owned(), json!(false));
        jsonschema::draft202012::new(&Value::Object(schema)).unwrap()
    }

    /// The text of a call that fails.
    async fn fails(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(
            result.is_error,
            Some(true),
            "{:?}",
            result.structured_content
        );
        let text = result.content[0].as_text().unwrap().text.clone();
        assert!(text.chars().count() <= 8_000);
        text
    }

    /// Targets of the requests below the base, without `/metadata`.
    fn targets(&self) -> Vec<String> {
        let requests = self.fhir.requests();
        let targets = requests
            .iter()
            .map(|request| below_base(request).to_owned());
        targets
            .filter(|target| !target.starts_with("/metadata"))
            .collect()
    }
}

fn below_base(request: &Request) -> &str {
    request.target.strip_prefix(BASE_PATH).unwrap()
}

fn capability_statement() -> String {
    let param = |name: &str, kind: &str| json!({"name": name, "type": kind});
    json!({
        "resourceType": "CapabilityStatement", "status": "active", "date": "2024-01-01",
        "kind": "instance", "fhirVersion": "4.0.1", "format": ["json"],
        "software": {"name": "Example", "version": "1"},
        "implementation": {"description": "for tests"},
        "rest": [{"mode": "server", "resource": [
            {"type": "Patient", "interaction": [{"code": "read"}], "searchParam": [
                param("name", "string"), param("birthdate", "date"), param("house-colour", "token"),
                param("general-practitioner", "reference"),
            ]},
            {"type": "Observation", "searchParam": [
                param("patient", "reference"), param("code", "token"), param("date", "date"),
            ]},
        ]}],
    })
    .to_string()
}

fn observation(id: usize, value: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{"versionId":"1","lastUpdated":"2024-01-01T00:00:00Z"}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}},"status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"718-7"}}]}},"subject":{{"reference":"Patient/1"}},"valueQuantity":{{"value":{value},"comparator":"<","unit":"g/dL"}},"note":[{{"text":"{}"}}]}}"#,
        "n".repeat(300)
    )
}

fn bundle(total: usize, next: Option<&str>, resources: &[String]) -> String {
    let next = next.map_or(String::new(), |url| {
        format!(r#","link":[{{"relation":"next","url":"{url}"}}]"#)
    });
    let entries: Vec<String> = resources
        .iter()
        .map(|r| {
            format!(
                r#"{{"fullUrl":"http://x.example/r","resource":{r},"search":{{"mode":"match"}}}}"#
            )
        })
        .collect();
    let entries = match entries.as_slice() {
        [] => String::new(),
        some => format!(r#","entry":[{}]"#, some.join(",")),
    };
    format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{total}{next}{entries}}}"#)
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"7","security":[{"code":"R"}]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"active":true}"#;
const INVALID: &str =
    r#"{"resourceType":"Patient","id":"1","gender":"masculine","birthDate":"1990-02-30"}"#;

#[tokio::test]
async fn a_read_gives_the_default_view_and_says_what_it_left_out() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let answer = setting
        .ok("read", json!({"type": "Patient", "id": 1}))
        .await;
    assert_eq!(
        answer["resource"],
        json!({"resourceType": "Patient", "id": "1", "meta": {"security": [{"code": "R"}]}, "active": true})
    );
    let omitted: Vec<_> = answer["omitted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["element"])
        .collect();
    assert_eq!(omitted, ["Patient.text", "Patient.meta.versionId"]);
    assert_eq!(setting.targets(), ["/Patient/1"]);
}

#[tokio::test]
async fn a_raw_read_gives_the_server_s_json() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let result = setting
        .call("read", json!({"type": "Patient", "id": "1", "view": "raw"}))
        .await;
    assert_eq!(result.content[0].as_text().unwrap().text, PATIENT);
    let expected: Value = serde_json::from_str(PATIENT).unwrap();
    assert_eq!(result.structured_content.unwrap()["resource"], expected);
}

#[tokio::test]
async fn decimals_keep_their_digits() {
    let body = observation(1, "1.50");
    let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
    for view in ["default", "raw"] {
        let arguments = json!({"type": "Observation", "id": "1", "view": view});
        let result = setting.call("read", arguments).await;
        assert!(
            result.content[0]
                .as_text()
                .unwrap()
                .text
                .contains(r#""value":1.50,"#)
        );
        let structured = result.structured_content.unwrap();
        assert_eq!(
            structured["exactDecimals"],
            json!({"valueQuantity.value": "1.50"})
        );
        assert_eq!(structured["resource"]["valueQuantity"]["comparator"], "<");
        assert_eq!(structured["resource"]["valueQuantity"]["unit"], "g/dL");
    }
}

#[tokio::test]
async fn large_attachments_become_notes() {
    let data = "AAAA".repeat(600);
    let body = format!(
        r#"{{"resourceType":"Binary","id":"1","contentType":"image/png","data":"{data}"}}"#
    );
    let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
    let answer = setting
        .ok("read", json!({"type": "Binary", "id": "1"}))
        .await;
    let note = answer["resource"]["data"].as_str().unwrap();
    assert!(note.contains("image/png, 1800 bytes, sha256 "), "{note}");
    assert_eq!(answer["omitted"][0]["element"], "Binary.data");
}

#[tokio::test]
async fn an_invalid_resource_is_withheld_or_flagged() {
    let setting = Setting::start(Options::default(), |_, _| (200, INVALID.to_owned())).await;
    let result = setting
        .call("read", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(result.is_error, Some(true));
    let answer = result.structured_content.unwrap();
    assert_eq!(answer["withheld"], 1);
    assert_eq!(answer["resource"]["withheld"], true);
    let issues = answer["resource"]["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 2);
    assert_eq!(issues[0]["expression"], "Patient.gender");
    assert!(answer["resource"].get("gender").is_none());

    let options = Options {
        on_invalid: OnInvalid::Flag,
        ..Options::default()
    };
    let setting = Setting::start(options, |_, _| (200, INVALID.to_owned())).await;
    let answer = setting
        .ok("read", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(answer["resource"]["gender"], "masculine");
    assert_eq!(answer["issues"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn one_invalid_entry_does_not_take_the_others_with_it() {
    let page = bundle(2, None, &[INVALID.to_owned(), PATIENT.to_owned()]);
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let answer = setting.ok("search", json!({"type": "Patient"})).await;
    assert_eq!(answer["withheld"], 1);
    assert_eq!(answer["returned"], 2);
    assert_eq!(answer["entry"][0]["resource"]["withheld"], true);
    assert_eq!(
        answer["entry"][0]["resource"]["issues"][0]["expression"],
        "Patient.gender"
    );
    assert_eq!(answer["entry"][1]["resource"]["active"], true);

    let raw = setting
        .ok("search", json!({"type": "Patient", "view": "raw"}))
        .await;
    assert_eq!(raw["withheld"], 1);
    let entries = raw["bundle"]["entry"].as_array().unwrap();
    assert_eq!(entries[0]["resource"]["resourceType"], "OperationOutcome");
    assert_eq!(
        entries[1]["resource"],
        serde_json::from_str::<Value>(PATIENT).unwrap()
    );
    assert_eq!(entries[1]["search"]["mode"], "match");
}

#[tokio::test]
async fn a_bundle_with_errors_of_its_own_is_withheld() {
    let page = bundle(1, None, &[PATIENT.to_owned()]).replace("searchset", "search-set");
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let text = setting.fails("search", json!({"type": "Patient"})).await;
    assert!(text.contains("Bundle.type"), "{text}");
}

#[tokio::test]
async fn a_long_list_comes_in_parts_and_nothing_is_lost() {
    let setting = Setting::start(Options::default(), |_, target| {
        let page = |from: usize, next: Option<&str>| {
            let all: Vec<_> = (from..from + 60).map(|id| observation(id, "7.0")).collect();
            (200, bundle(120, next, &all))
        };
        match target.contains("page=2") {
            true => page(60, None),
            false => page(0, Some("Observation?page=2")),
        }
    })
    .await;
    let mut ids = Vec::new();
    let mut arguments = json!({"type": "Observation", "searchParam": {"patient": "1"}});
    for _ in 0..20 {
        let answer = setting.ok("search", arguments.clone()).await;
        assert!(answer.to_string().len() <= 36_000);
        assert_eq!(answer["total"], 120);
        assert_eq!(answer["sorted"], "-date");
        let entries = answer["entry"].as_array().unwrap();
        assert_eq!(answer["returned"], entries.len());
        ids.extend(
            entries
                .iter()
                .map(|e| e["resource"]["id"].as_str().unwrap().to_owned()),
        );
        if answer["complete"] == true {
            assert!(answer.get("cursor").is_none());
            break;
        }
        arguments = json!({"type": "Observation", "cursor": answer["cursor"]});
    }
    let expected: Vec<_> = (0..120).map(|id| id.to_string()).collect();
    assert_eq!(ids, expected);

    let changed = json!({"type": "Observation", "cursor": "bm90IG91cnM"});
    assert!(
        setting
            .fails("search", changed)
            .await
            .contains("search again")
    );
}

#[tokio::test]
async fn a_next_link_outside_the_base_is_not_followed() {
    let page = bundle(
        9,
        Some("http://127.0.0.1:9/other?page=2"),
        &[PATIENT.to_owned()],
    );
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let answer = setting.ok("search", json!({"type": "Patient"})).await;
    assert_eq!(answer["complete"], false);
    let on = json!({"type": "Patient", "cursor": answer["cursor"]});
    let text = setting.fails("search", on).await;
    assert!(text.contains("FHIR base"), "{text}");
}

#[tokio::test]
async fn unknown_search_parameters_never_reach_the_server() {
    let setting = Setting::start(Options::default(), |_, _| (200, bundle(0, None, &[]))).await;
    let refused = [
        (json!({"birthDate": "1990"}), "birthdate"),
        (json!({"nme": "x"}), "name"),
        (json!({"name:exakt": "x"}), ":exact"),
        (json!({"address": "x"}), "does not support"),
        (json!({"general-practitioner.nmae": "x"}), "name"),
        (
            json!({"general-practitioner:Practicioner.name": "x"}),
            "Practitioner",
        ),
        (json!({"name.given": "x"}), "cannot be chained"),
        (json!({"_has:Observation:pacient:code": "x"}), "patient"),
        (
            json!({"_has:Observation": "x"}),
            "_has:Type:reference:parameter",
        ),
        (json!({"_sort": "-birthDate"}), "birthdate"),
        (json!({"_include": "Patient"}), "Type:parameter"),
        (json!({"_count": "many"}), "number"),
        (json!({"_summary": "all"}), "count"),
    ];
    for (parameters, hint) in refused {
        let arguments = json!({"type": "Patient", "searchParam": parameters});
        let text = setting.fails("search", arguments).await;
        assert!(text.contains(hint), "{parameters}: {text}");
        assert!(
            text.contains("birthdate, general-practitioner, house-colour, name"),
            "{text}"
        );
    }
    assert_eq!(setting.targets(), [""; 0]);

    for parameters in [
        json!({"name:exact": "x", "birthdate": ["ge1990", "lt1991"], "house-colour": "red"}),
        json!({"general-practitioner.name": "x", "_has:Observation:patient:code": "718-7"}),
        json!({"general-practitioner:Practitioner.name": "x", "_id": 1, "_lastUpdated": "gt2020"}),
        json!({"_sort": "-birthdate,_id", "_include": "Patient:general-practitioner", "_format": "xml"}),
        json!({"_revinclude": "Observation:patient", "_elements": "name", "_total": "accurate"}),
    ] {
        setting
            .ok(
                "search",
                json!({"type": "Patient", "searchParam": parameters}),
            )
            .await;
    }
    assert!(
        setting
            .targets()
            .iter()
            .all(|target| !target.contains("_format"))
    );
}

#[tokio::test]
async fn ignored_parameters_are_named() {
    let page = r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"http://x.example/Patient?_count=50"}]}"#;
    let setting = Setting::start(Options::default(), move |_, _| (200, page.to_owned())).await;
    let arguments = json!({"type": "Patient", "searchParam": {"name": "Smith"}});
    let answer = setting.ok("search", arguments).await;
    let warnings = answer["warnings"].to_string();
    assert!(
        warnings.contains("self link does not name name"),
        "{warnings}"
    );
}

#[tokio::test]
async fn hostile_types_ids_and_operations_are_refused() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let text = setting
        .fails("read", json!({"type": "Pateint", "id": "1"}))
        .await;
    assert!(text.contains("did you mean Patient?"), "{text}");
    for (id, operation) in [
        (".", ""),
        ("..", ""),
        ("../../admin", ""),
        ("1?x=y", ""),
        ("1", "../x"),
        ("1", "."),
        ("1", "$x/../../y"),
    ] {
        let arguments = json!({"type": "Patient", "id": id, "operation": operation});
        setting.fails("read", arguments).await;
    }
    assert_eq!(setting.targets(), [""; 0]);
}

#[tokio::test]
async fn whatever_is_no_resource_is_a_clear_error() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let big = format!(
        r#"{{"resourceType":"Patient","id":"1","language":"{}"}}"#,
        "x".repeat(11 << 20)
    );
    let answers = [
        ("<!DOCTYPE html><html></html>".to_owned(), "HTML"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/>".to_owned(), "XML"),
        (PATIENT[..40].to_owned(), "breaks off"),
        (
            r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}"#
                .to_owned(),
            "of type Observation",
        ),
        (PATIENT.replace(r#""id":"1""#, r#""id":"2""#), "id"),
        (
            format!(r#"{{"resourceType":"Patient","id":"1","name":{deep}}}"#),
            "128 levels",
        ),
        (big, "larger than"),
        (String::new(), "empty"),
        (r#"{"hello":1}"#.to_owned(), "no FHIR R4 resource"),
    ];
    for (body, hint) in answers {
        let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
        let text = setting
            .fails("read", json!({"type": "Patient", "id": "1"}))
            .await;
        assert!(text.contains(hint), "{hint}: {text}");
    }
}

#[tokio::test]
async fn http_errors_keep_status_outcome_and_retry_after() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"Unit unknown"}]}"#;
    let setting = Setting::scripted(
        Options {
            allow_writes: true,
            ..Options::default()
        },
        move |_| {
            Reply::with_headers(
                429,
                &[
                    ("content-type", "application/fhir+json"),
                    ("retry-after", "9000"),
                ],
                outcome,
            )
        },
    )
    .await;
    let text = setting
        .fails("delete", json!({"type": "Patient", "id": "1"}))
        .await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["resourceType"], "OperationOutcome");
    assert_eq!(answer["issue"][0]["code"], "throttled");
    assert_eq!(answer["issue"][0]["details"]["coding"][0]["code"], "429");
    assert!(text.contains("Retry-After: 9000 s"), "{text}");
    assert_eq!(answer["issue"][1]["diagnostics"], "Unit unknown");
}

#[tokio::test]
async fn invalid_payloads_are_never_sent() {
    let options = Options {
        allow_writes: true,
        ..Options::default()
    };
    let setting = Setting::start(options, |_, _| (201, PATIENT.to_owned())).await;
    let invalid: Value = serde_json::from_str(INVALID).unwrap();
    for (tool, arguments) in [
        ("create", json!({"type": "Patient", "payload": invalid})),
        (
            "update",
            json!({"type": "Patient", "id": "1", "payload": INVALID}),
        ),
    ] {
        let text = setting.fails(tool, arguments).await;
        assert!(
            text.contains("Patient.gender") && text.contains("Patient.birthDate"),
            "{text}"
        );
    }
    let other = json!({"type": "Observation", "payload": {"resourceType": "Patient"}});
    assert!(
        setting
            .fails("create", other)
            .await
            .contains("expected resourceType Observation")
    );
    let unconditional = json!({"type": "Patient"});
    assert!(
        setting
            .fails("delete", unconditional)
            .await
            .contains("searchParam")
    );
    assert_eq!(setting.targets(), [""; 0]);
}

#[tokio::test]
async fn writes_say_where_the_resource_is() {
    let options = Options {
        allow_writes: true,
        ..Options::default()
    };
    let setting = Setting::scripted(options, |request| match request.method.as_str() {
        "POST" => Reply::with_headers(
            201,
            &[("location", "http://x.example/fhir/Patient/77/_history/1")],
            "",
        ),
        "PUT" => Reply::json(200, request.body.clone()),
        _ => Reply::with_headers(204, &[], ""),
    })
    .await;
    let created = setting
        .ok(
            "create",
            json!({"type": "Patient", "payload": {"resourceType": "Patient"}}),
        )
        .await;
    assert_eq!(
        created,
        json!({"status": 201, "reference": "Patient/77", "versionId": "1"})
    );

    let payload = r#"{"resourceType":"Observation","id":"x","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}"#;
    let arguments = json!({"type": "Observation", "id": "5", "payload": payload});
    let updated = setting.ok("update", arguments).await;
    assert_eq!(updated["resource"]["id"], "5");
    let sent = setting.fhir.requests();
    let sent = sent.iter().find(|request| request.method == "PUT").unwrap();
    let body = std::str::from_utf8(&sent.body).unwrap();
    assert!(
        body.contains(r#""id":"5""#) && body.contains("1.50"),
        "{body}"
    );

    let deleted = setting
        .ok("delete", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(
        deleted["issue"][0]["diagnostics"],
        "Successfully deleted resource(s)."
    );
}

#[tokio::test]
async fn without_leave_nothing_is_written() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let request = CallToolRequestParams::new("delete")
        .with_arguments(rmcp::model::object(json!({"type": "Patient", "id": "1"})));
    let error = setting.client.call_tool(request).await.unwrap_err();
    assert!(error.to_string().contains("--allow-writes"), "{error}");
    assert_eq!(setting.targets(), [""; 0]);
}

#[tokio::test]
async fn validate_groups_what_it_finds() {
    let setting = Setting::start(Options::default(), |_, _| (200, INVALID.to_owned())).await;
    let names: Vec<Value> = (0..50).map(|_| json!({"use": "formal"})).collect();
    let resource = json!({"resourceType": "Patient", "name": names});
    let answer = setting.ok("validate", json!({"resource": resource})).await;
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["errors"], 50);
    assert_eq!(answer["issues"].as_array().unwrap().len(), 1);
    assert_eq!(answer["issues"][0]["count"], 50);
    assert!(answer["issues"][0].get("line").is_none());

    let text = "{\"resourceType\":\"Patient\",\n \"gender\":\"x\"}";
    let answer = setting.ok("validate", json!({"resource": text})).await;
    assert_eq!(answer["issues"][0]["line"], 2);

    let answer = setting
        .ok("validate", json!({"reference": "Patient/1"}))
        .await;
    assert_eq!(answer["errors"], 2);
    let neither = setting.fails("validate", json!({})).await;
    assert!(neither.contains("reference"), "{neither}");
}

#[tokio::test]
async fn capabilities_have_the_shape_of_the_contract() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    let answer = setting
        .ok("get_capabilities", json!({"type": "Patient"}))
        .await;
    assert_eq!(answer["type"], "Patient");
    assert_eq!(answer["searchParam"][0]["name"], "name");
    assert!(answer["searchParam"][0]["documentation"].is_string());
    assert_eq!(answer["searchParam"][2]["documentation"], Value::Null);
    assert_eq!(answer["interaction"], json!([{"code": "read"}]));
    assert_eq!(answer["searchInclude"], json!([]));
    let text = setting
        .fails("get_capabilities", json!({"type": "Goal"}))
        .await;
    assert!(text.contains("Patient, Observation"), "{text}");
}

#[tokio::test]
async fn every_type_is_described_in_a_thousand_tokens() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    for name in fhir_mcp_server::model::RESOURCE_TYPES {
        let answer = setting.ok("describe", json!({"type": name})).await;
        let length = answer.to_string().len();
        assert!(length <= 4_000, "{name}: {length}");
        let elements = answer["elements"].as_array().unwrap();
        assert!(!elements.is_empty(), "{name}");
    }
    let claim = setting.ok("describe", json!({"type": "Claim.item"})).await;
    assert!(
        claim["elements"]
            .to_string()
            .contains("sequence!: positiveInt"),
        "{claim}"
    );
    let observation = setting.ok("describe", json!({"type": "Observation"})).await;
    let elements = observation["elements"].to_string();
    assert!(
        elements.contains("status!: code (registered|preliminary|final"),
        "{elements}"
    );
    assert!(
        elements.contains("subject?: Reference(Patient|Group|Device|Location)"),
        "{elements}"
    );
    let period = setting
        .ok("describe", json!({"type": "Patient.name.period"}))
        .await;
    assert!(
        period["elements"].to_string().contains("start?: dateTime"),
        "{period}"
    );
    let text = setting
        .fails("describe", json!({"type": "Patient.nmae"}))
        .await;
    assert!(text.contains("did you mean name"), "{text}");
}

#[tokio::test]
async fn resources_are_read_by_their_templates() {
    let setting = Setting::start(Options::default(), |_, target| match target {
        "/Patient/1" => (200, PATIENT.to_owned()),
        "/Patient/2" => (200, INVALID.replace(r#""id":"1""#, r#""id":"2""#)),
        _ => (404, String::new()),
    })
    .await;
    let read = |uri: &str| {
        setting
            .client
            .read_resource(ReadResourceRequestParams::new(uri))
    };
    let text = |contents: &ResourceContents| match contents {
        ResourceContents::TextResourceContents { text, .. } => text.clone(),
        other => panic!("{other:?}"),
    };
    let record = read("fhir://Patient/1").await.unwrap();
    assert_eq!(text(&record.contents[0]), PATIENT);
    let schema = read("fhir-schema://R4/Patient").await.unwrap();
    let schema: Value = serde_json::from_str(&text(&schema.contents[0])).unwrap();
    assert!(schema.is_object());
    for uri in [
        "fhir://Patient/3",
        "fhir://Patient",
        "fhir-schema://R4/Patent",
        "http://x",
        "fhir://Patient/../x",
    ] {
        let error = read(uri).await.unwrap_err().to_string();
        assert!(error.contains(uri), "{error}");
    }
    let withheld = read("fhir://Patient/2").await.unwrap_err().to_string();
    assert!(withheld.contains("withheld"), "{withheld}");
}

#[tokio::test]
async fn the_server_says_who_it_is() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    let info = setting.client.peer_info().unwrap();
    let implementation = info.server_info.as_ref().unwrap();
    assert_eq!(implementation.name, "FHIR MCP Server");
    assert_eq!(implementation.version, env!("CARGO_PKG_VERSION"));
    assert!(info.instructions.as_ref().unwrap().len() <= 2_048);
    let user = setting.call("get_user", json!({})).await;
    assert!(
        user.meta
            .unwrap()
            .contains_key("io.modelcontextprotocol/serverInfo")
    );
}
