//! Which settings authorize MCP clients how, and which clash.

use clap::Parser;
use fhir_mcp_server::{
    cli::Cli,
    config::{Authorization, Config, ConfigError},
};

use crate::support::program;

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
const GRANT: (&str, &str) = ("FHIR_SERVER_AUTH_GRANT", "client_credentials");
const BY_PERSON: (&str, &str) = ("FHIR_SERVER_AUTH_GRANT", "authorization_code");
const KEY: (&str, &str) = (
    "FHIR_SERVER_AUTH_PRIVATE_KEY_FILE",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/keys/rsa.pem"),
);
const KEY_ID: (&str, &str) = ("FHIR_SERVER_AUTH_KEY_ID", "k");
const TOKEN_FILE: (&str, &str) = (
    "FHIR_SERVER_AUTH_TOKEN_FILE",
    concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
);
const USER: (&str, &str) = ("FHIR_SERVER_AUTH_USERNAME", "u");
const PASSWORD: (&str, &str) = ("FHIR_SERVER_AUTH_PASSWORD", "canary");
const AUTHORIZATION: (&str, &str) = (
    "FHIR_SERVER_AUTH_HEADERS",
    r#"{"Authorization":"Token canary"}"#,
);
const GATEWAY: (&str, &str) = ("FHIR_SERVER_AUTH_HEADERS", r#"{"x-api-key":"canary"}"#);
const SEAL_KEY: (&str, &str) = ("FHIR_MCP_SEAL_KEY", "0123456789abcdef0123456789abcdef");
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
        &[BASE, ISSUER, TOKEN_FILE],
        &["FHIR_SERVER_AUTH_TOKEN_FILE", "--shared-upstream"],
    ),
    (
        &[],
        &[BASE, ISSUER, USER, PASSWORD],
        &["FHIR_SERVER_AUTH_USERNAME", "--shared-upstream"],
    ),
    (
        &[],
        &[BASE, ISSUER, AUTHORIZATION],
        &["FHIR_SERVER_AUTH_HEADERS", "--shared-upstream"],
    ),
    (
        &[],
        &[BASE, ISSUER, CLIENT, SECRET, SCOPES, GRANT],
        &["FHIR_SERVER_CLIENT_ID", "--shared-upstream"],
    ),
    (
        &[],
        &[BASE, ISSUER, CLIENT, KEY, KEY_ID, SCOPES],
        &["FHIR_SERVER_CLIENT_ID", "--shared-upstream"],
    ),
    (
        &["--open-to-network"],
        &[BASE, OPEN, EVERYWHERE, CLIENT, KEY, KEY_ID, SCOPES],
        &["FHIR_SERVER_CLIENT_ID", "--shared-upstream"],
    ),
    (
        &["--shared-upstream"],
        &[BASE, ISSUER, CLIENT, SECRET, SCOPES],
        &[
            "FHIR_MCP_AUTHORIZATION_SERVER",
            "FHIR_SERVER_CLIENT_ID",
            "FHIR_SERVER_AUTH_GRANT",
        ],
    ),
    (
        &["--shared-upstream"],
        &[BASE, ISSUER, CLIENT, KEY, KEY_ID, SCOPES, BY_PERSON],
        &[
            "FHIR_MCP_AUTHORIZATION_SERVER",
            "FHIR_SERVER_CLIENT_ID",
            "FHIR_SERVER_AUTH_GRANT",
        ],
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
        &[],
        &[BASE, OPEN, ("FHIR_MCP_SEAL_KEY", "short")],
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
    (
        &["--token-store", "redis://localhost"],
        &[BASE, CLIENT, SCOPES],
        &["--token-store", "FHIR_MCP_SEAL_KEY"],
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

/// As whoever starts it sees it: nothing runs, and one line says why.
#[test]
fn a_clash_ends_the_program_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, variables, names) in CLASHES {
        let mut command = program::program(folder.path());
        command.args(*flags).envs(variables.iter().copied());
        let output = program::run(&mut command, b"");
        assert_eq!(output.status.code(), Some(2), "{flags:?} {variables:?}");
        assert_eq!(program::stdout(&output), "");
        let text = program::stderr(&output);
        assert!(
            text.starts_with("error: ") && text.ends_with(".\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        for name in *names {
            assert!(text.contains(name), "{flags:?} {variables:?}: {text}");
        }
        assert!(!text.contains("canary"), "{text}");
    }
    println!("clashes of settings: {} processes", CLASHES.len());
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
        (shared, &[BASE, ISSUER, TOKEN_FILE]),
        (shared, &[BASE, ISSUER, USER, PASSWORD]),
        (shared, &[BASE, ISSUER, AUTHORIZATION]),
        (shared, &[BASE, ISSUER, CLIENT, SECRET, SCOPES, GRANT]),
        (shared, &[BASE, ISSUER, CLIENT, KEY, KEY_ID, SCOPES]),
        (both, &[BASE, OPEN, EVERYWHERE, CLIENT, KEY, KEY_ID, SCOPES]),
        // One machine has one user, and a gateway sees nobody.
        (&[], &[BASE, OPEN, CLIENT, KEY, KEY_ID, SCOPES]),
        (&[], &[BASE, ISSUER, GATEWAY]),
        (&[], &[BASE, ISSUER, SEAL_KEY]),
        (&[], &[BASE, OPEN, SEAL_KEY]),
        (&[], &[BASE, SEAL_KEY]),
        (&[], &[BASE, CLIENT, SCOPES, SEAL_KEY]),
        (&["--transport", "sse"], &[BASE, OPEN, SEAL_KEY]),
        (open, &[BASE, OPEN, EVERYWHERE]),
        (both, &[BASE, OPEN, EVERYWHERE, TOKEN]),
        (store, &[BASE, CLIENT, SCOPES, SECRET]),
        (store, &[BASE, CLIENT, SCOPES, SEAL_KEY]),
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
