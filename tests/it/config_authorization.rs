//! Which settings authorize MCP clients how, and which clash.

use clap::Parser;
use fhir_mcp_server::{
    cli::Cli,
    config::{Authorization, Config, ConfigError},
};

type Variables<'a> = &'a [(&'a str, &'a str)];

const BASE: (&str, &str) = ("FHIR_SERVER_BASE_URL", "https://fhir.example.org/r4");
const ISSUER: (&str, &str) = ("FHIR_MCP_AUTHORIZATION_SERVER", "https://as.example/realm/");
const CLIENT: (&str, &str) = ("FHIR_SERVER_CLIENT_ID", "abc");
const SCOPES: (&str, &str) = ("FHIR_SERVER_SCOPES", "openid fhirUser user/*.rs");
const SECRET: (&str, &str) = ("FHIR_SERVER_CLIENT_SECRET", "canary-canary");
const TOKEN: (&str, &str) = ("FHIR_SERVER_ACCESS_TOKEN", "canary");
const OPEN: (&str, &str) = ("FHIR_SERVER_DISABLE_AUTHORIZATION", "True");
const CLOSED: (&str, &str) = ("FHIR_SERVER_DISABLE_AUTHORIZATION", "False");
const EVERYWHERE: (&str, &str) = ("FHIR_MCP_HOST", "0.0.0.0");
const PUBLIC: (&str, &str) = ("FHIR_MCP_SERVER_URL", "https://mcp.example.org");

fn config(flags: &[&str], variables: Variables<'_>) -> Result<Config, ConfigError> {
    let cli = Cli::try_parse_from(["fhir-mcp-server"].iter().chain(flags)).unwrap();
    Config::new(&cli.flags, &variables.iter().copied().collect())
}

#[test]
fn the_mode_follows_from_what_is_set() {
    let authorization = config(&[], &[BASE, ISSUER]).unwrap().authorization;
    let issuer = "https://as.example/realm/".to_owned();
    assert_eq!(authorization, Authorization::ResourceServer { issuer });
    let config_of_facade = config(&[], &[BASE, CLIENT, SECRET, SCOPES, CLOSED]).unwrap();
    let Authorization::Facade(_) = config_of_facade.authorization else {
        panic!("users sign in");
    };
    assert!(!format!("{config_of_facade:?}").contains("canary"));
    for variables in [&[BASE][..], &[BASE, OPEN], &[BASE, OPEN, TOKEN]] {
        assert!(config(&[], variables).unwrap().authorization.is_open());
    }
}

/// Each case: flags, variables, and what the sentence names.
const CLASHES: &[(&[&str], Variables<'_>, &[&str])] = &[
    (
        &[],
        &[BASE, ISSUER, OPEN],
        &[
            "FHIR_MCP_AUTHORIZATION_SERVER",
            "FHIR_SERVER_DISABLE_AUTHORIZATION",
        ],
    ),
    (
        &[],
        &[BASE, CLIENT, SCOPES, OPEN],
        &["FHIR_SERVER_CLIENT_ID", "FHIR_SERVER_DISABLE_AUTHORIZATION"],
    ),
    (
        &[],
        &[BASE, ISSUER, CLIENT, SCOPES],
        &["FHIR_MCP_AUTHORIZATION_SERVER", "FHIR_SERVER_CLIENT_ID"],
    ),
    (
        &[],
        &[BASE, CLIENT],
        &["FHIR_SERVER_CLIENT_ID", "FHIR_SERVER_SCOPES"],
    ),
    (
        &[],
        &[BASE, SCOPES],
        &["FHIR_SERVER_CLIENT_ID", "FHIR_SERVER_SCOPES"],
    ),
    (
        &[],
        &[BASE, SECRET],
        &["FHIR_SERVER_CLIENT_ID", "FHIR_SERVER_CLIENT_SECRET"],
    ),
    (
        &["--fixtures", "a"],
        &[CLIENT, SCOPES],
        &["FHIR_SERVER_CLIENT_ID", "--fixtures"],
    ),
    (
        &[],
        &[BASE, CLIENT, SCOPES, TOKEN],
        &["FHIR_SERVER_ACCESS_TOKEN", "FHIR_SERVER_CLIENT_ID"],
    ),
    (
        &[],
        &[BASE, ISSUER, TOKEN],
        &["FHIR_SERVER_ACCESS_TOKEN", "--shared-upstream"],
    ),
    (
        &[],
        &[BASE, TOKEN],
        &[
            "FHIR_SERVER_ACCESS_TOKEN",
            "FHIR_SERVER_DISABLE_AUTHORIZATION",
        ],
    ),
    (
        &[],
        &[BASE, TOKEN, CLOSED],
        &["FHIR_MCP_AUTHORIZATION_SERVER", "FHIR_SERVER_CLIENT_ID"],
    ),
    (
        &[],
        &[BASE, CLOSED],
        &["FHIR_MCP_AUTHORIZATION_SERVER", "FHIR_SERVER_CLIENT_ID"],
    ),
    (
        &[],
        &[BASE, EVERYWHERE],
        &["FHIR_MCP_HOST", "--open-to-network"],
    ),
    (
        &[],
        &[BASE, OPEN, EVERYWHERE],
        &["FHIR_MCP_HOST", "--open-to-network"],
    ),
    (
        &["--open-to-network"],
        &[BASE, OPEN, EVERYWHERE, TOKEN],
        &["FHIR_SERVER_ACCESS_TOKEN", "--shared-upstream"],
    ),
    (
        &["--open-to-network"],
        &[BASE, ISSUER],
        &["--open-to-network"],
    ),
    (
        &[],
        &[BASE, ISSUER, ("FHIR_MCP_HOST", "192.0.2.1")],
        &["FHIR_MCP_SERVER_URL", "https"],
    ),
    (
        &[],
        &[
            BASE,
            ISSUER,
            ("FHIR_MCP_SERVER_URL", "http://mcp.example.org"),
        ],
        &["FHIR_MCP_SERVER_URL", "https"],
    ),
    (
        &[],
        &[BASE, ("FHIR_MCP_AUTHORIZATION_SERVER", "http://as.example")],
        &["FHIR_MCP_AUTHORIZATION_SERVER", "https"],
    ),
    (
        &[],
        &[BASE, ("FHIR_MCP_AUTHORIZATION_SERVER", "as.example")],
        &["FHIR_MCP_AUTHORIZATION_SERVER"],
    ),
    (
        &[],
        &[BASE, CLIENT, SCOPES, ("FHIR_MCP_SEAL_KEY", "short")],
        &["FHIR_MCP_SEAL_KEY"],
    ),
    (
        &[],
        &[BASE, ISSUER, ("FHIR_MCP_SEAL_KEY", "short")],
        &["FHIR_MCP_SEAL_KEY"],
    ),
    (
        &["--token-store", "redis://localhost"],
        &[BASE],
        &["--token-store", "FHIR_SERVER_CLIENT_ID"],
    ),
    (
        &["--token-store", "http://localhost"],
        &[BASE, CLIENT, SCOPES],
        &["--token-store", "redis://"],
    ),
];

#[test]
fn what_clashes_is_named() {
    for (flags, variables, names) in CLASHES {
        let error = config(flags, variables).unwrap_err();
        let is_about = matches!(
            error,
            ConfigError::Authorization(_) | ConfigError::Upstream(_)
        );
        assert!(is_about, "{error}");
        let message = error.to_string();
        for name in *names {
            assert!(message.contains(name), "{flags:?} {variables:?}: {message}");
        }
        assert!(message.ends_with('.') && !message.contains('\n'));
        assert!(!message.contains("canary"));
    }
}

#[test]
fn what_does_not_clash_starts() {
    let shared = &["--shared-upstream"][..];
    let open = &["--open-to-network"][..];
    let both = &["--open-to-network", "--shared-upstream"][..];
    let store = &["--token-store", "redis://:p@localhost:1/2"][..];
    let cases: &[(&[&str], Variables<'_>)] = &[
        (&[], &[BASE, ISSUER, EVERYWHERE]),
        (&[], &[BASE, ISSUER, EVERYWHERE, PUBLIC, CLOSED]),
        (&[], &[BASE, CLIENT, SCOPES, EVERYWHERE]),
        (
            &[],
            &[BASE, CLIENT, SCOPES, PUBLIC, ("FHIR_MCP_HOST", "192.0.2.1")],
        ),
        (
            &[],
            &[BASE, ISSUER, ("FHIR_MCP_SERVER_URL", "http://localhost:1")],
        ),
        (shared, &[BASE, ISSUER, TOKEN]),
        (open, &[BASE, OPEN, EVERYWHERE]),
        (both, &[BASE, OPEN, EVERYWHERE, TOKEN]),
        (store, &[BASE, CLIENT, SCOPES]),
        (
            &["--transport", "stdio"],
            &[BASE, CLIENT, SCOPES, CLOSED, EVERYWHERE],
        ),
    ];
    for (flags, variables) in cases {
        let config = config(flags, variables);
        assert!(config.is_ok(), "{flags:?} {variables:?}: {config:?}");
    }
}

#[test]
fn loopback_has_many_names() {
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "127.8.9.10"] {
        let config = config(&[], &[BASE, OPEN, ("FHIR_MCP_HOST", host)]);
        assert!(config.is_ok(), "{host}");
    }
}
