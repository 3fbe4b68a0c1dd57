//! Flags and environment.

use clap::Parser;
use fhir_mcp_server::{
    cli::Cli,
    config::{
        Config, ConfigError, DataSource, Environment, Listen, TransportKind, upstream::Method,
    },
};

const BASE: (&str, &str) = ("FHIR_SERVER_BASE_URL", "https://fhir.example.org/r4");

fn config(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let cli = Cli::try_parse_from(["fhir-mcp-server"].iter().chain(flags)).unwrap();
    Config::new(&cli.flags, &variables.iter().copied().collect())
}

fn error(flags: &[&str], variables: &[(&str, &str)]) -> String {
    config(flags, variables).unwrap_err().to_string()
}

#[test]
fn defaults_are_those_of_the_python_server() {
    let config = config(&[], &[BASE]).unwrap();
    assert_eq!(config.transport, TransportKind::StreamableHttp);
    let listen = Listen {
        host: "localhost".to_owned(),
        port: 8000,
    };
    assert_eq!(config.listen, listen);
    assert!(!config.allow_writes && !config.legacy_sessions);
    let DataSource::Server {
        base,
        upstream,
        timeout,
    } = config.data
    else {
        panic!("a server is configured");
    };
    assert_eq!(base.as_str(), "https://fhir.example.org/r4");
    assert!(matches!(upstream.method, Method::None));
    assert_eq!(timeout.as_secs(), 30);
}

#[test]
fn one_trailing_slash_of_the_base_changes_nothing() {
    let url = ("FHIR_SERVER_BASE_URL", "https://fhir.example.org/r4/");
    let DataSource::Server { base, .. } = config(&[], &[url]).unwrap().data else {
        panic!("a server is configured");
    };
    assert_eq!(base.as_str(), "https://fhir.example.org/r4");
}

#[test]
fn fixtures_take_one_path_or_many() {
    let flags = ["--fixtures", "a", "b", "--fixtures", "c"];
    let DataSource::Fixtures(paths) = config(&flags, &[]).unwrap().data else {
        panic!("fixtures are configured");
    };
    assert_eq!(paths, ["a", "b", "c"].map(std::path::PathBuf::from));
}

#[test]
fn choices_have_no_case() {
    for level in ["debug", "Info", "WARN", "error"] {
        let flags = ["--log-level", level, "--transport", "STDIO"];
        let config = config(&flags, &[BASE]).unwrap();
        assert_eq!(config.transport, TransportKind::Stdio);
    }
}

#[test]
fn what_is_missing_or_nonsense_is_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "FHIR_SERVER_BASE_URL"),
        (&[("FHIR_SERVER_BASE_URL", " ")], "FHIR_SERVER_BASE_URL"),
        (
            &[("FHIR_SERVER_BASE_URL", "fhir.example.org")],
            "FHIR_SERVER_BASE_URL",
        ),
        (&[("FHIR_SERVER_BASE_URL", "ftp://a/b")], "ftp"),
        (&[("FHIR_SERVER_BASE_URL", "https://u:p@a/b")], "user name"),
        (&[("FHIR_SERVER_BASE_URL", "https://a/b?c=d")], "query"),
        (&[BASE, ("FHIR_MCP_PORT", "80000")], "FHIR_MCP_PORT"),
        (&[BASE, ("FHIR_MCP_PORT", "http")], "FHIR_MCP_PORT"),
        (
            &[BASE, ("FHIR_MCP_REQUEST_TIMEOUT", "0")],
            "FHIR_MCP_REQUEST_TIMEOUT",
        ),
        (
            &[BASE, ("FHIR_MCP_REQUEST_TIMEOUT", "-1")],
            "FHIR_MCP_REQUEST_TIMEOUT",
        ),
        (
            &[BASE, ("FHIR_MCP_REQUEST_TIMEOUT", "NaN")],
            "FHIR_MCP_REQUEST_TIMEOUT",
        ),
        (
            &[BASE, ("FHIR_SERVER_DISABLE_AUTHORIZATION", "maybe")],
            "FHIR_SERVER_DISABLE_AUTHORIZATION",
        ),
        (
            &[BASE, ("FHIR_MCP_SERVER_URL", "example.org")],
            "FHIR_MCP_SERVER_URL",
        ),
        (&[BASE, ("FHIR_MCP_HOST", "0.0.0.0")], "FHIR_MCP_HOST"),
        (&[BASE, ("FHIR_MCP_HOST", "::")], "FHIR_MCP_HOST"),
        (&[BASE, ("FHIR_MCP_HOST", "192.0.2.1")], "FHIR_MCP_HOST"),
        (&[BASE, ("FHIR_MCP_HOST", "example.org")], "FHIR_MCP_HOST"),
        (
            &[BASE, ("FHIR_SERVER_ACCESS_TOKEN", "Bearer canary")],
            "FHIR_SERVER_ACCESS_TOKEN",
        ),
    ];
    for (variables, name) in cases {
        let message = error(&[], variables);
        assert!(message.contains(name), "{variables:?}: {message}");
        assert!(message.ends_with('.') && !message.contains('\n'));
        assert!(!message.contains("canary"));
    }
    let both = error(&["--fixtures", "a"], &[BASE]);
    assert!(both.contains("--fixtures") && both.contains("FHIR_SERVER_BASE_URL"));
}

#[test]
fn proxies_are_addresses_and_ranges() {
    let config = |value| config(&[], &[BASE, ("FHIR_MCP_TRUSTED_PROXIES", value)]);
    let proxies = config("10.0.0.1, 192.0.2.0/24 2001:db8::/32")
        .unwrap()
        .trusted_proxies;
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.1/32", "192.0.2.0/24", "2001:db8::/32"]);
    // Whoever believes everybody is told any address by anybody.
    for wrong in ["proxy.example", "10.0.0.0/33", "*", "0.0.0.0/0", "::/0"] {
        let error = config(wrong).unwrap_err().to_string();
        assert!(error.contains("FHIR_MCP_TRUSTED_PROXIES"), "{error}");
    }
}

#[test]
fn stdio_listens_nowhere_so_any_host_will_do() {
    let variables = [BASE, ("FHIR_MCP_HOST", "0.0.0.0")];
    assert!(config(&["--transport", "stdio"], &variables).is_ok());
}

#[test]
fn the_token_shows_nowhere() {
    let variables = [
        BASE,
        ("FHIR_SERVER_ACCESS_TOKEN", "canary"),
        ("FHIR_SERVER_DISABLE_AUTHORIZATION", "True"),
    ];
    let config = config(&[], &variables).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let DataSource::Server { upstream, .. } = config.data else {
        panic!("a server is configured");
    };
    let Method::Token(token) = upstream.method else {
        panic!("a token is configured");
    };
    assert_eq!(token.expose(), "canary");
}

#[test]
fn what_has_no_effect_over_stdio_is_named() {
    let variables = [BASE, ("FHIR_MCP_AUTHORIZATION_SERVER", "https://a.example")];
    let config = config(&["--transport", "stdio"], &variables).unwrap();
    assert_eq!(config.without_effect, ["FHIR_MCP_AUTHORIZATION_SERVER"]);
    assert!(config.authorization.is_open());
}

#[test]
fn the_environment_knows_only_our_variables() {
    let environment: Environment = [("HOME", "/home/a"), ("fhir_mcp_port", "1")]
        .into_iter()
        .collect();
    assert_eq!(environment.get("HOME"), None);
    assert_eq!(environment.get("FHIR_MCP_PORT"), Some("1"));
}
