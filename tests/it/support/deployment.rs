//! This server over HTTP with authorization, and a browser in front of it.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fhir_mcp_server::{
    auth::{
        clock::Clock,
        facade::{
            ClientDocuments, Facade, Lifetimes, Options,
            documents::Reach,
            store::{Memory, Store},
        },
        http::AuthHttp,
        protected_resource::{ProtectedResource, TokenCheck},
        resource_server::ResourceServer,
        seal::SealKey,
        smart::{Authentication, SmartClient, SmartOptions},
    },
    client::{self, HttpClient, Secret, Source, Tls},
    mcp::{self, FhirServer},
    transport::{
        authorization::Authorization,
        http::{self, HttpOptions},
    },
};
use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use url::Url;

use super::oauth_server::{CLIENT_ID, OAuthServer};

/// Where MCP clients of these tests are sent back to.
pub(crate) const REDIRECT: &str = "http://127.0.0.1:7/callback";
/// The code verifier of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The server, in front of an authorization server and its FHIR server.
pub(crate) struct Deployment {
    pub(crate) upstream: OAuthServer,
    /// URL that clients use.
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) memory: Arc<Memory>,
    /// What checks tokens.
    pub(crate) check: Arc<dyn TokenCheck>,
    key: Arc<SealKey>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

/// What a deployment is made of, where it is not the usual.
#[derive(Default)]
pub(crate) struct Setup {
    /// Whether another server gives out the tokens.
    pub(crate) resource_server: bool,
    pub(crate) legacy_sessions: bool,
    /// Whether there are no tools that write.
    pub(crate) read_only: bool,
    /// Of the store, in place of memory.
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) upstream: Option<OAuthServer>,
    pub(crate) key: Option<Arc<SealKey>>,
    /// URL of a proxy that would stand in front.
    pub(crate) public: Option<String>,
    /// Lifetime of an access token.
    pub(crate) access: Option<Duration>,
    /// Of the client at the FHIR server's authorization server.
    pub(crate) secret: Option<&'static str>,
    pub(crate) rate_limit: Option<NonZeroU32>,
    pub(crate) max_requests: Option<usize>,
}

impl Deployment {
    pub(crate) async fn facade() -> Self {
        Self::start(Setup::default()).await
    }

    /// A facade, and a client that is registered there.
    pub(crate) async fn with_client() -> (Self, String) {
        let server = Self::facade().await;
        let client = server.client().await;
        (server, client)
    }

    /// The same before the page on which the user decides.
    pub(crate) async fn asking() -> (Self, String, Browser, String) {
        let (server, client) = Self::with_client().await;
        let mut browser = Browser::default();
        let page = browser.open(&server, &client, &[]).await;
        (server, client, browser, page)
    }

    /// The same after the whole way: with what the token endpoint answered.
    pub(crate) async fn signed_in(scope: &str) -> (Self, String, Value) {
        let (server, client) = Self::with_client().await;
        let tokens = server.sign_in(&client, scope).await;
        (server, client, tokens)
    }

    pub(crate) async fn resource_server() -> Self {
        Self::start(Setup {
            resource_server: true,
            ..Setup::default()
        })
        .await
    }

    pub(crate) async fn start(mut setup: Setup) -> Self {
        let upstream = match setup.upstream.take() {
            Some(upstream) => upstream,
            None => OAuthServer::start().await,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let local = format!("http://127.0.0.1:{port}");
        let base = setup.public.clone().unwrap_or_else(|| local.clone());
        let clock = Clock::default();
        let memory = Arc::new(Memory::new(clock.clone()));
        let store = setup.store.take().unwrap_or_else(|| memory.clone());
        let key = setup
            .key
            .take()
            .unwrap_or_else(|| Arc::new(SealKey::random().unwrap()));
        let authorization = if setup.resource_server {
            resource_server(&upstream, &base, &clock, !setup.read_only)
        } else {
            let facade = facade(&upstream, &base, (&clock, &store, &key), &setup);
            Authorization {
                resource: facade.resource().clone(),
                check: Arc::new(facade.clone()),
                facade: Some(facade),
                writes: mcp::is_write,
            }
        };
        let check = Arc::clone(&authorization.check);
        let fhir_base = upstream.fhir_base().parse().unwrap();
        let source = HttpClient::new(client::HttpOptions::new(fhir_base)).unwrap();
        let options = mcp::Options {
            allow_writes: !setup.read_only,
            writes: fhir_mcp_server::mcp::WriteOptions {
                without_confirmation: true,
                ..Default::default()
            },
            ..mcp::Options::default()
        };
        let handler = FhirServer::new(Source::Http(source), options);
        let options = HttpOptions {
            public_url: setup.public.map(|url| url.parse().unwrap()),
            legacy_sessions: setup.legacy_sessions,
            rate_limit: setup.rate_limit,
            max_requests: setup.max_requests,
            authorization: Some(Arc::new(authorization)),
            ..HttpOptions::default()
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(http::run(listener, handler, options, async {
            let _ = stopped.await;
        }));
        Self {
            upstream,
            base: local,
            clock,
            store,
            memory,
            check,
            key,
            stop: Some(stop),
            task,
        }
    }

    /// Another replica, or the same after a restart with a store that lasts.
    pub(crate) async fn again(self, same_store: bool) -> Self {
        let store = same_store.then(|| self.store.clone());
        let key = Some(self.key.clone());
        let upstream = Some(self.stop().await);
        Self::start(Setup {
            upstream,
            store,
            key,
            ..Setup::default()
        })
        .await
    }

    pub(crate) async fn stop(mut self) -> OAuthServer {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.task).await.unwrap().unwrap();
        self.upstream
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Lists the tools with this token.
    pub(crate) async fn list(&self, token: Option<&str>) -> Response {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        self.post(token, &message).await
    }

    /// Calls a tool with this token.
    pub(crate) async fn call(&self, token: Option<&str>, tool: &str, arguments: Value) -> Response {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments } });
        self.post(token, &message).await
    }

    /// Reads the patient through the tool; the structured answer.
    pub(crate) async fn read(&self, token: &str) -> Value {
        let arguments = json!({ "type": "Patient", "id": "one" });
        let answer = self.call(Some(token), "read", arguments).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        answer["result"].clone()
    }

    pub(crate) async fn post(&self, token: Option<&str>, message: &Value) -> Response {
        let mut request = plain()
            .post(self.url("/mcp"))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(message.to_string());
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        plain().get(self.url(path)).send().await.unwrap()
    }

    /// Registers a public client; its id.
    pub(crate) async fn client(&self) -> String {
        let metadata = json!({
            "client_name": "Test client", "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "none",
        });
        let answer: Value = self.register(&metadata).await.json().await.unwrap();
        answer["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn register(&self, metadata: &Value) -> Response {
        let request = plain()
            .post(self.url("/register"))
            .body(metadata.to_string());
        request.send().await.unwrap()
    }

    /// Posts a form to the token endpoint.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let body = form_body(form);
        let request = plain()
            .post(self.url("/token"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Redeems a code as the client that asked for it.
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> (StatusCode, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> (StatusCode, Value) {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ])
        .await
    }

    /// The whole way of a user: the answer of the token endpoint.
    pub(crate) async fn sign_in(&self, client: &str, scope: &str) -> Value {
        let mut browser = Browser::default();
        let page = browser.open(self, client, &[("scope", scope)]).await;
        let code = browser.code(self, &page).await;
        let (status, tokens) = self.redeem(client, &code).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens
    }
}

fn resource_server(
    upstream: &OAuthServer,
    base: &str,
    clock: &Clock,
    writes: bool,
) -> Authorization {
    let base: Url = base.parse().unwrap();
    let resource = ProtectedResource::new(&base, &upstream.origin, writes);
    let near = upstream.origin.parse().unwrap();
    let http = AuthHttp::new(&Tls::default(), &near).unwrap();
    let check = ResourceServer::new(&upstream.origin, resource.clone(), http, clock.clone());
    Authorization {
        resource,
        check: Arc::new(check),
        facade: None,
        writes: mcp::is_write,
    }
}

fn facade(
    upstream: &OAuthServer,
    base: &str,
    (clock, store, key): (&Clock, &Arc<dyn Store>, &Arc<SealKey>),
    setup: &Setup,
) -> Facade {
    let url: Url = base.parse().unwrap();
    let smart = SmartClient::new(SmartOptions {
        base: upstream.fhir_base().parse().unwrap(),
        client_id: CLIENT_ID.to_owned(),
        authentication: match setup.secret {
            Some(secret) => Authentication::Secret(Secret::new(secret)),
            None => Authentication::Public,
        },
        scope: "openid fhirUser user/*.rs offline_access".to_owned(),
        tls: Tls::default(),
        headers: Vec::new(),
    });
    Facade::new(Options {
        resource: ProtectedResource::new(&url, base, true),
        fhir_server: "fhir.test <b>".to_owned(),
        upstream: Arc::new(smart.unwrap()),
        headers: Vec::new(),
        store: store.clone(),
        key: key.clone(),
        documents: ClientDocuments::new(Reach::Loopback).unwrap(),
        clock: clock.clone(),
        lifetimes: Lifetimes {
            access: setup.access.unwrap_or(Lifetimes::default().access),
            ..Lifetimes::default()
        },
    })
}

/// A client that follows no redirect.
pub(crate) fn plain() -> Client {
    let builder = Client::builder().redirect(redirect::Policy::none());
    builder.build().unwrap()
}

pub(crate) fn form_body(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The query parameters of a URL.
pub(crate) fn query(url: &str) -> HashMap<String, String> {
    let url: Url = url.parse().unwrap();
    url.query_pairs().into_owned().collect()
}

pub(crate) fn location(answer: &Response) -> String {
    let value = answer.headers().get("location");
    value.expect("a redirect").to_str().unwrap().to_owned()
}

/// A browser with its cookies for one host.
#[derive(Clone, Default)]
pub(crate) struct Browser(pub(crate) HashMap<String, String>);

impl Browser {
    /// The URL of a proper authorization request; `changes` replace parameters,
    /// and an empty value takes one away.
    pub(crate) fn url(server: &Deployment, client: &str, changes: &[(&str, &str)]) -> String {
        let challenge = challenge();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("state", "state of the client"),
            ("scope", "fhir.read"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(there, _)| there != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        server.url(&format!("/authorize?{}", form_body(&pairs)))
    }

    pub(crate) async fn get(&mut self, url: &str) -> Response {
        let request = plain().get(url).header("Cookie", self.header());
        let answer = request.send().await.unwrap();
        self.keep(&answer);
        answer
    }

    /// Asks for authorization: the text of the page.
    pub(crate) async fn open(
        &mut self,
        server: &Deployment,
        client: &str,
        changes: &[(&str, &str)],
    ) -> String {
        let answer = self.get(&Self::url(server, client, changes)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    }

    /// Decides on the page.
    pub(crate) async fn decide(
        &mut self,
        server: &Deployment,
        page: &str,
        decision: &str,
    ) -> Response {
        let body = form_body(&[("request", &sealed(page)), ("decision", decision)]);
        let request = plain()
            .post(server.url("/authorize/consent"))
            .header("Cookie", self.header())
            .header("Origin", &server.base)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.unwrap();
        self.keep(&answer);
        answer
    }

    /// Agrees and signs in: the URL that leads back to this server.
    pub(crate) async fn agree(&mut self, server: &Deployment, page: &str) -> String {
        let answer = self.decide(server, page, "allow").await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let at_upstream = plain().get(location(&answer)).send().await.unwrap();
        location(&at_upstream)
    }

    /// Agrees, signs in and comes back: the code for the client.
    pub(crate) async fn code(&mut self, server: &Deployment, page: &str) -> String {
        let back = self.agree(server, page).await;
        let answer = self.get(&back).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        query(&location(&answer))["code"].clone()
    }

    fn header(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Response) {
        for value in answer.headers().get_all("set-cookie") {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.0.remove(name),
                _ => self.0.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

/// Where a page that tells of an error leads to.
pub(crate) fn way_back(page: &str) -> String {
    let (_, rest) = page.split_once("<a href=\"").expect("a link");
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

/// The sealed request in a page.
pub(crate) fn sealed(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"request\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
