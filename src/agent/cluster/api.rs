//! The connection to the API server.
//!
//! One HTTP/2 connection carries all requests and watches: one TLS session in memory however many objects are followed,
//! and its pings tell when the other end has gone without a word. Who this node is, is read from the kubeconfig again
//! when a certificate is renewed; whoever holds a [`Server`] then goes on with the new one.

use futures_util::{Stream, StreamExt as _};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);
/// Between two pings, and for the answer to one.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);
/// To connect.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a watch goes on before it is begun anew where it was, in seconds (client-go: 5 to 10 minutes).
const WATCH_SECONDS: u64 = 420;

/// Why there is no connection to begin with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("{path}: cannot be used as kubeconfig: correct it, or run vks join")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The TLS settings in it cannot be used.
    #[error("{path}: its certificates cannot be used")]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<kube::Error>,
    },
}

/// Why a request was in vain.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server has refused it, or there was no connection.
    #[error(transparent)]
    Server(#[from] kube::Error),
    /// No answer in time.
    #[error("the API server has not answered in {} s", .0.as_secs())]
    Silent(Duration),
    /// The request could not be made.
    #[error("the request cannot be made")]
    Request(#[from] hyper::http::Error),
}

impl CallError {
    /// The HTTP status of a refusal; `None` when the server has not answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Server(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }

    /// There is no such object.
    pub fn is_absent(&self) -> bool {
        self.code() == Some(404)
    }

    /// The object is not as the request says it is.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The server has understood, and its answer will be the same the next time.
    pub fn is_final(&self) -> bool {
        matches!(self.code(), Some(400 | 403 | 404 | 405 | 409 | 413 | 422))
    }
}

/// The kind of a patch, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386.
    Merge,
    /// Lists of objects are merged by their keys.
    Strategic,
}

/// The API server. Clones share the connection.
#[derive(Clone)]
pub struct Server {
    clients: watch::Receiver<Client>,
}

/// Gives all [`Server`]s another identity.
pub struct Identity {
    path: PathBuf,
    clients: watch::Sender<Client>,
}

impl Identity {
    /// Reads the kubeconfig again. On an error the old identity stays.
    pub async fn renew(&self) -> Result<(), ConnectError> {
        let client = client(&self.path).await?;
        self.clients.send_replace(client);
        Ok(())
    }
}

/// A client by a kubeconfig. Connects when it is first used.
pub async fn client(path: &Path) -> Result<Client, ConnectError> {
    let unusable = |source| ConnectError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(unusable)?;
    client_of(&config).map_err(|source| ConnectError::Tls {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// A client by a configuration.
pub fn client_of(config: &Config) -> Result<Client, kube::Error> {
    // The only provider there is; somebody may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_keepalive(Some(PING));
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http()
        .enable_http2()
        .wrap_connector(connector);
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .http2_initial_stream_window_size(256 << 10)
        .timer(TokioTimer::new())
        .pool_idle_timeout(None)
        .build::<_, Body>(connector);
    let mut config = config.clone();
    config.headers.extend(bearer(&config));
    Ok(ClientBuilder::new(http, &*config.default_namespace)
        .with_layer(&config.base_uri_layer())
        .with_layer(&config.extra_headers_layer()?)
        .build())
}

/// The token of a kubeconfig without certificates, or of the file that it names.
fn bearer(config: &Config) -> Option<(HeaderName, HeaderValue)> {
    let auth = &config.auth_info;
    // The token shows itself in no other way.
    let token = serde_json::to_value(auth).ok()?;
    let token = match (token["token"].as_str(), &auth.token_file) {
        (Some(token), _) => token.to_owned(),
        (None, Some(file)) => std::fs::read_to_string(file).ok()?,
        (None, None) => return None,
    };
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).ok()?;
    value.set_sensitive(true);
    Some((hyper::header::AUTHORIZATION, value))
}

impl Server {
    /// By the node's kubeconfig. Connects when it is first used.
    pub async fn new(kubeconfig: &Path) -> Result<(Self, Identity), ConnectError> {
        let (sender, clients) = watch::channel(client(kubeconfig).await?);
        let identity = Identity {
            path: kubeconfig.to_owned(),
            clients: sender,
        };
        Ok((Self { clients }, identity))
    }

    /// The client of now: not to be kept.
    pub fn client(&self) -> Client {
        self.clients.borrow().clone()
    }

    /// Reads an object or a list.
    pub async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::GET, path, "application/json", None).await
    }

    /// Makes an object.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, CallError> {
        let body = Some(object);
        self.call(Method::POST, path, "application/json", body)
            .await
    }

    /// Replaces an object, which must be the version that it names.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<Value, CallError> {
        let body = Some(object);
        self.call(Method::PUT, path, "application/json", body).await
    }

    /// Changes an object.
    pub async fn patch(&self, path: &str, kind: Patch, patch: &Value) -> Result<Value, CallError> {
        let content = match kind {
            Patch::Merge => "application/merge-patch+json",
            Patch::Strategic => "application/strategic-merge-patch+json",
        };
        self.call(Method::PATCH, path, content, Some(patch)).await
    }

    /// Deletes an object at once, if it is the one with this uid.
    pub async fn delete(&self, path: &str, uid: &str) -> Result<Value, CallError> {
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": { "uid": uid },
        });
        self.call(Method::DELETE, path, "application/json", Some(&options))
            .await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .header("accept", "application/json")
            .body(body.unwrap_or_default())?;
        let client = self.client();
        let answer = tokio::time::timeout(ANSWER, client.request(request)).await;
        Ok(answer.map_err(|_| CallError::Silent(ANSWER))??)
    }

    /// Follows what changes after a version. `path` has a query already.
    pub async fn watch(
        &self,
        path: &str,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, CallError>> + use<>, CallError> {
        let uri = format!(
            "{path}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        );
        let request = Request::builder().uri(uri).body(Vec::new())?;
        let client = self.client();
        let events = tokio::time::timeout(ANSWER, client.request_events::<Value>(request)).await;
        let events = events.map_err(|_| CallError::Silent(ANSWER))??;
        Ok(events.map(|event| event.map_err(CallError::Server)))
    }
}
