//! A FHIR server with its token endpoint behind TLS, and the certificates that
//! authorities of our own give out.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use url::Url;

/// An authority.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for this name or address.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.identity_until(name, 2100)
    }

    /// One that expires with the beginning of this year.
    pub(crate) fn identity_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// The server; it stops when dropped.
pub(crate) struct TlsServer {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// A request that came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) request: String,
    /// Whether the client showed a certificate.
    pub(crate) has_certificate: bool,
}

impl TlsServer {
    /// With this certificate; where `clients` is given, it lets in only those
    /// with a certificate of that authority.
    pub(crate) async fn start(identity: &Identity, clients: Option<&Authority>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(identity, clients)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let recorded = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not like what it is shown leaves.
                let _ = answer(&acceptor, stream, port, &recorded).await;
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn base(&self) -> Url {
        let base = format!("https://127.0.0.1:{}/fhir/r4", self.port);
        base.parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(&authority.pem)).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let chain = vec![certificate(&identity.certificate)];
    builder.with_single_cert(chain, key).unwrap()
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Answers one request and closes.
async fn answer(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    port: u16,
    seen: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let request = head.lines().next().unwrap_or_default();
    let request = request.trim_end_matches(" HTTP/1.1").to_owned();
    let body = body(&request, port);
    let has_certificate = stream.get_ref().1.peer_certificates().is_some();
    seen.lock().unwrap().push(Seen {
        request,
        has_certificate,
    });
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn body(request: &str, port: u16) -> String {
    let value = if request.ends_with("/smart-configuration") {
        json!({
            "token_endpoint": format!("https://127.0.0.1:{port}/token"),
            "grant_types_supported": ["client_credentials"],
            "capabilities": ["client-confidential-symmetric"],
        })
    } else if request.ends_with("/token") {
        json!({"access_token": "a", "token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"})
    } else {
        json!({"resourceType": "Patient", "id": "p1"})
    };
    value.to_string()
}
