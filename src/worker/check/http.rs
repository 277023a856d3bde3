//! HTTP and HTTPS: status 200 to 399 is success; redirects are followed on the same host only.

use super::{CheckError, OWN_HOST, Target, Warning, connect};
use crate::model::probe::HttpGet;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Redirects that are followed (kubelet: maxRedirects of net/http).
const REDIRECTS: usize = 10;
/// Bytes of an answer that are read.
const READ: usize = 10 << 10;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    https: bool,
    host: String,
    port: u16,
    path: String,
}

/// Asks, and follows redirects on the same host. A redirect to elsewhere, or to nowhere, ends it well with a warning
/// (kubelet: pkg/probe/http).
pub(super) async fn get(get: &HttpGet, target: Target) -> Result<Option<Warning>, CheckError> {
    let mut place = Place {
        https: get.https,
        host: get.host.clone().unwrap_or_else(|| OWN_HOST.to_owned()),
        port: get.port,
        path: get.path.clone(),
    };
    for _ in 0..=REDIRECTS {
        let response = ask(&place, get, target).await?;
        let status = response.status();
        let next = redirect(&place, &response).filter(|_| status.is_redirection());
        // Elsewhere is not ours to judge: the container answered.
        if let Some(next) = next.filter(|next| next.host == place.host) {
            place = next;
            continue;
        }
        return match status.as_u16() {
            200..=299 => Ok(None),
            300..=399 => Ok(Some(format!(
                "Probe terminated redirects, Response body: {}",
                response.into_body()
            ))),
            code => Err(CheckError::Failed(format!(
                "HTTP probe failed with statuscode: {code}"
            ))),
        };
    }
    Err(CheckError::Failed(format!(
        "stopped after {REDIRECTS} redirects"
    )))
}

/// Where a redirect leads; `None` when it does not say.
fn redirect<B>(from: &Place, response: &Response<B>) -> Option<Place> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let uri: Uri = absolute(&from.path, location).parse().ok()?;
    let https = uri
        .scheme_str()
        .map_or(from.https, |scheme| scheme == "https");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let (host, port) = match uri.host() {
        None => (from.host.clone(), from.port),
        Some(host) => (
            host.to_owned(),
            uri.port_u16().unwrap_or(if https { 443 } else { 80 }),
        ),
    };
    Some(Place {
        https,
        host,
        port,
        path: path.to_owned(),
    })
}

/// A reference without a scheme or a slash is beside what was asked for (RFC 3986, 5.2).
fn absolute(path: &str, location: &str) -> String {
    if location.starts_with('/') || location.contains("://") {
        return location.to_owned();
    }
    let path = path.split('?').next().unwrap_or(path);
    let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
    match location.starts_with('?') {
        true => format!("{path}{location}"),
        false => format!("{directory}{location}"),
    }
}

async fn ask(place: &Place, get: &HttpGet, target: Target) -> Result<Response<String>, CheckError> {
    let stream = connect(target, Some(&place.host), place.port).await?;
    let request = request(place, get)?;
    match place.https {
        false => send(stream, request).await,
        true => {
            let name = ServerName::try_from(place.host.clone()).map_err(CheckError::failed)?;
            let connector = tokio_rustls::TlsConnector::from(tls());
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(CheckError::failed)?;
            send(stream, request).await
        }
    }
}

fn request(place: &Place, get: &HttpGet) -> Result<Request<Empty<Bytes>>, CheckError> {
    let mut builder = Request::get(&place.path);
    let header = |name: &hyper::header::HeaderName| {
        get.headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name.as_str()))
    };
    if !header(&HOST) {
        builder = builder.header(HOST, format!("{}:{}", place.host, place.port));
    }
    if !header(&ACCEPT) {
        builder = builder.header(ACCEPT, "*/*");
    }
    if !header(&USER_AGENT) {
        builder = builder.header(
            USER_AGENT,
            concat!("kube-probe/vks-", env!("CARGO_PKG_VERSION")),
        );
    }
    for (name, value) in &get.headers {
        builder = builder.header(name, value);
    }
    builder
        .header("connection", "close")
        .body(Empty::new())
        .map_err(CheckError::failed)
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response<String>, CheckError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(CheckError::failed)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(CheckError::failed)?;
        let (head, body) = response.into_parts();
        let text = read(body).await?;
        Ok(Response::from_parts(head, text))
    };
    tokio::pin!(answer);
    // Driven here, not by a task of its own: it ends with the answer, or when this is dropped.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// Reads some of a body, so that a server that is slow to send it is seen to be slow.
async fn read(mut body: Incoming) -> Result<String, CheckError> {
    let mut bytes = Vec::new();
    while bytes.len() < READ {
        let Some(frame) = body.frame().await else {
            break;
        };
        // A body that breaks off is no answer.
        let frame = frame.map_err(CheckError::failed)?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    bytes.truncate(READ);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tls() -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    #[expect(clippy::expect_used, reason = "ring has the default protocol versions")]
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default protocol versions");
    Arc::new(
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

/// Takes every certificate: a probe asks whether a server answers, not who it is (kubelet: InsecureSkipVerify).
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
