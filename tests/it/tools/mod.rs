//! The tools, from an MCP client to a FHIR server on loopback.

mod describing;
mod hidden_characters;
mod hostile_text;
mod reading;
mod searching;
mod writing;

use fhir_mcp_server::{
    client::{HttpClient, HttpOptions, Source},
    mcp::{self, Options},
};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
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
        Self::bare(options, move |request| {
            if below_base(request).starts_with("/metadata") {
                return Reply::json(200, capability_statement());
            }
            script(request)
        })
        .await
    }

    /// With a FHIR server that knows nothing but the script.
    async fn bare(
        options: Options,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let fhir = FhirServer::start(move |_, request| script(request)).await;
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
        // Every answer may hold it, so the instructions tell and no schema.
        schema["properties"]["hiddenCharacters"] = json!({"type": "object"});
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
