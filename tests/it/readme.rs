//! `README.md`: what is generated into it is current, what it shows works.
//!
//! Parts between `<!-- begin NAME -->` and `<!-- end NAME -->` are made here. A
//! difference rewrites the file and fails.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use clap::{Arg, Command, CommandFactory, Parser, builder::PossibleValue};
use fhir_mcp_server::{
    cli::Cli,
    client::{FixtureStore, Source},
    config::{Config, DataSource, Environment, upstream::Method},
    mcp::{FhirServer, Options},
    model::Rule,
};
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, Tool},
};
use serde_json::{Value, json};

use crate::support::program;

mod library;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Longest line of pretty-printed JSON that is not broken.
const WIDTH: usize = 124;

#[tokio::test]
async fn generated_parts_are_current() {
    let old = readme();
    let mut new = old.clone();
    for (name, content) in [
        ("search", search_example().await),
        ("tools", tool_table().await),
        ("flags", flag_table()),
        ("validate-flags", validate_flag_table()),
        ("rules", rule_table()),
        ("validate", validate_example()),
        ("library", library_example()),
    ] {
        new = replaced(&new, name, &content);
    }
    if new != old {
        fs::write(Path::new(ROOT).join("README.md"), new).unwrap();
        panic!("README.md was not current and has been rewritten");
    }
}

/// The text with another content between the two markers of a part.
fn replaced(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (
        format!("<!-- begin {name} -->"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = text.split_once(&begin).expect(&begin);
    let (_, after) = rest.split_once(&end).expect(&end);
    format!("{before}{begin}\n{}\n{end}{after}", content.trim_end())
}

/// A call, and its answer from the fixtures.
async fn search_example() -> String {
    let arguments = json!({
        "type": "Observation",
        "searchParam": {
            "patient.name": "keller",
            "code": "http://loinc.org|1988-5",
            "value-quantity": "lt5",
            "_elements": "code,effective,value",
            "_count": 1
        }
    });
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = server(false);
    tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
    let client = ().serve(near).await.unwrap();
    let call =
        CallToolRequestParams::new("search").with_arguments(arguments.as_object().unwrap().clone());
    let answer = client.call_tool(call).await.unwrap();
    let content = answer.structured_content.unwrap();
    assert_eq!(answer.is_error, Some(false), "{content}");
    assert_eq!(content["returned"], 1, "{content}");
    format!(
        "`search` with\n\n```json\n{}\n```\n\nanswers\n\n```json\n{}\n```\n",
        pretty(&arguments, 0),
        pretty(&shortened(content), 0)
    )
}

/// The same without what makes an example long and says little: the cursor is
/// cut.
fn shortened(mut content: Value) -> Value {
    if let Some(cursor) = content.get_mut("cursor") {
        let text = cursor.as_str().unwrap();
        *cursor = json!(format!("{}…", &text[..12]));
    }
    content
}

/// JSON that breaks only what is too long for a line.
fn pretty(value: &Value, indent: usize) -> String {
    let compact = value.to_string();
    if compact.chars().count() + indent <= WIDTH {
        return compact;
    }
    let inner = " ".repeat(indent + 2);
    let (open, close, items): (_, _, Vec<String>) = match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{inner}\"{name}\": {}", pretty(value, indent + 2))
            };
            ('{', '}', members.iter().map(member).collect())
        }
        Value::Array(items) => {
            let item = |value: &Value| format!("{inner}{}", pretty(value, indent + 2));
            ('[', ']', items.iter().map(item).collect())
        }
        _ => return compact,
    };
    format!(
        "{open}\n{}\n{}{close}",
        items.join(",\n"),
        " ".repeat(indent)
    )
}

async fn tool_table() -> String {
    let always: BTreeSet<_> = server(false).tools().into_iter().map(|t| t.name).collect();
    let mut table = "| Tool | Arguments | Effect | What it does |\n|---|---|---|---|\n".to_owned();
    for tool in server(true).tools() {
        let annotations = tool.annotations.as_ref().unwrap();
        let effect = match (annotations.read_only_hint, annotations.destructive_hint) {
            (Some(true), _) => "reads",
            (_, Some(true)) => "changes, destructive",
            _ => "adds",
        };
        let condition = match always.contains(&tool.name) {
            true => "",
            false => "; only with `--allow-writes`",
        };
        let title = tool.title.as_deref().unwrap();
        let description = first_sentence(tool.description.as_deref().unwrap());
        writeln!(
            table,
            "| `{}`<br>{title} | {} | {effect}{condition} | {description} |",
            tool.name,
            arguments(&tool),
        )
        .unwrap();
    }
    table
}

fn arguments(tool: &Tool) -> String {
    let schema = Value::Object((*tool.input_schema).clone());
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = schema["properties"].as_object().unwrap().keys();
    let (needed, optional): (Vec<_>, Vec<_>) =
        names.partition(|name| required.contains(&json!(name)));
    let listed = |names: Vec<&String>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    match (needed.as_slice(), optional.as_slice()) {
        ([], []) => "none".to_owned(),
        (_, []) => listed(needed),
        ([], _) => format!("optional: {}", listed(optional)),
        _ => format!("{}; optional: {}", listed(needed), listed(optional)),
    }
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> String {
    let end = text
        .match_indices(['.', '\n'])
        .find(|(at, _)| !text[..*at].ends_with("e.g") && text[at + 1..].starts_with([' ', '\n']))
        .map_or(text.len(), |(at, _)| at + 1);
    text[..end].to_owned()
}

fn flag_table() -> String {
    flag_table_of(&Cli::command())
}

fn validate_flag_table() -> String {
    flag_table_of(Cli::command().find_subcommand("validate").unwrap())
}

fn flag_table_of(command: &Command) -> String {
    let mut table = "| Flag | Values, the default first | Meaning |\n|---|---|---|\n".to_owned();
    for flag in command.get_arguments() {
        let Some(name) = flag.get_long() else {
            continue;
        };
        let help = flag.get_help().unwrap();
        writeln!(table, "| `--{name}` | {} | {help} |", values(flag)).unwrap();
    }
    table
}

/// The values of a flag, the default first.
fn values(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "off, on when given".to_owned();
    }
    let Some(default) = flag.get_default_values().first() else {
        let name = flag.get_value_names().unwrap().first().unwrap();
        return format!("none, `{name}…`");
    };
    let default = default.to_str().unwrap();
    let possible = flag.get_possible_values();
    let others = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(PossibleValue::get_name)
        .filter(|value| *value != default);
    let values: Vec<String> = [default]
        .into_iter()
        .chain(others)
        .map(|value| format!("`{value}`"))
        .collect();
    values.join(", ")
}

fn rule_table() -> String {
    let mut table = "| Code | Severity | Issue type | What holds |\n|---|---|---|---|\n".to_owned();
    for rule in Rule::ALL {
        let title = rule.title().replace('|', "\\|").replace(" * ", " `*` ");
        writeln!(
            table,
            "| `{}` | {} | {} | {title} |",
            rule.code(),
            rule.severity(),
            rule.issue_type().as_str()
        )
        .unwrap();
    }
    table
}

fn validate_example() -> String {
    let arguments = [
        "validate",
        "fixtures/patients",
        "fixtures/invalid/required/input.json",
        "fixtures/invalid/required-binding/input.json",
    ];
    let output = program::run(program::program(Path::new(ROOT)).args(arguments), b"");
    assert_eq!(output.status.code(), Some(1));
    format!(
        "```console\n$ fhir-mcp-server {}\n{}```\n",
        arguments.join(" "),
        program::stdout(&output)
    )
}

fn library_example() -> String {
    let source = include_str!("readme/library.rs").replace("pub(super) fn main", "fn main");
    format!("```rust\n{source}```\n")
}

#[test]
fn the_example_of_the_library_works() {
    library::main().unwrap();
}

#[test]
fn all_variables_are_listed_with_their_defaults() {
    let readme = readme();
    let rows: Vec<Vec<&str>> = section(&readme, "### Environment variables")
        .lines()
        .filter(|line| line.starts_with("| `FHIR_"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let listed: Vec<&str> = rows
        .iter()
        .map(|cells| cells[1].trim_matches('`'))
        .collect();
    let source = include_str!("../../src/config/env.rs");
    let known: Vec<&str> = source
        .lines()
        .filter(|line| line.starts_with("pub const ") && line.contains("\"FHIR_"))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert!(known.len() >= 10, "{known:?}");
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>(),
        known.iter().collect()
    );

    let cli = Cli::try_parse_from(["fhir-mcp-server"]).unwrap();
    let base = [("FHIR_SERVER_BASE_URL", "https://fhir.example.org/r4")];
    let config = Config::new(&cli.flags, &base.into_iter().collect::<Environment>()).unwrap();
    let DataSource::Server {
        timeout, upstream, ..
    } = config.data
    else {
        panic!("a FHIR server")
    };
    assert!(matches!(upstream.method, Method::None) && config.public_url.is_none());
    let defaults = [
        ("FHIR_MCP_HOST", config.listen.host),
        ("FHIR_MCP_PORT", config.listen.port.to_string()),
        ("FHIR_MCP_REQUEST_TIMEOUT", timeout.as_secs().to_string()),
        (
            "FHIR_MCP_CALL_TIMEOUT",
            config.call_timeout.as_secs().to_string(),
        ),
        (
            "FHIR_MCP_RATE_LIMIT",
            config.rate_limit.unwrap().to_string(),
        ),
    ];
    for cells in rows {
        let name = cells[1].trim_matches('`');
        let default = defaults.iter().find(|(known, _)| *known == name);
        let expected = default.map_or("none".to_owned(), |(_, value)| format!("`{value}`"));
        assert_eq!(cells[2], expected, "{name}");
    }
}

/// What stands under a heading, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{heading}\n")).expect(heading);
    rest.split("\n#").next().unwrap()
}

#[test]
fn commands_are_understood() {
    let mut commands = 0;
    for (_, code) in blocks(&readme()) {
        for line in code.lines() {
            let Some(arguments) = arguments_of_program(line) else {
                continue;
            };
            Cli::try_parse_from(["fhir-mcp-server"].into_iter().chain(arguments))
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            commands += 1;
        }
    }
    assert!(commands >= 7, "{commands}");
}

/// The arguments of this program in a line of shell, if it is run there.
fn arguments_of_program(line: &str) -> Option<Vec<&str>> {
    let line = line.split(" # ").next()?.split(" > ").next()?;
    let (_, arguments) = ["cargo run --release -- ", "fhir-mcp-server "]
        .iter()
        .find_map(|program| line.split_once(program))?;
    let quotes = ['\'', '"'];
    let arguments: Vec<&str> = arguments
        .split_whitespace()
        .map(|word| word.trim_matches(quotes))
        .collect();
    let first = arguments.first()?;
    let ours = first.starts_with("--") || ["validate", "explain", "schema"].contains(first);
    ours.then_some(arguments)
}

#[test]
fn json_can_be_pasted_and_its_flags_are_understood() {
    let mut configurations = 0;
    for (language, code) in blocks(&readme()) {
        if language != "json" {
            continue;
        }
        let value: Value = serde_json::from_str(&code).unwrap_or_else(|e| panic!("{e}: {code}"));
        let servers = value.get("mcpServers").or_else(|| value.get("servers"));
        for server in servers.iter().flat_map(|s| s.as_object().unwrap().values()) {
            let arguments = server["args"].as_array().into_iter().flatten();
            let arguments = arguments.map(|argument| argument.as_str().unwrap());
            Cli::try_parse_from(["fhir-mcp-server"].into_iter().chain(arguments)).unwrap();
            configurations += 1;
        }
    }
    assert!(configurations >= 4, "{configurations}");
}

#[test]
fn links_lead_somewhere() {
    let readme = readme();
    let anchors: BTreeSet<String> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    for target in readme.split("](").skip(1) {
        let target = target.split(')').next().unwrap();
        if let Some(name) = target.strip_prefix('#') {
            assert!(anchors.contains(name), "#{name}");
        } else if !target.starts_with("http") {
            assert!(Path::new(ROOT).join(target).exists(), "{target}");
        }
    }
}

/// The anchor that code hosts give a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Fenced blocks: language and code.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), code.join("\n")));
        }
    }
    blocks
}

fn server(allow_writes: bool) -> FhirServer {
    let fixtures = Path::new(ROOT).join("fixtures/patients");
    let (store, _) = FixtureStore::load(&[fixtures], Default::default()).unwrap();
    let options = Options {
        allow_writes,
        ..Options::default()
    };
    FhirServer::new(Source::Fixtures(store), options)
}

fn readme() -> String {
    fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}
