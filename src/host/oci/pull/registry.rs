//! What is asked of a registry (distribution-spec), and who one is there: none, Basic, or a token that its token server
//! gives for this repository.

use super::super::manifest::{ACCEPT, MOST_BYTES};
use super::{Auth, PullError, PullRequest};
use futures_util::StreamExt as _;
use reqwest::header::{ACCEPT as ACCEPT_HEADER, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use std::time::Duration;
use tokio::sync::Mutex;

/// A connection that is not there by then is none.
const CONNECT: Duration = Duration::from_secs(30);
/// So long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// What is asked for, with the name or digest.
pub(super) enum What {
    Manifest(String),
    Blob(String),
}

/// A registry, or a mirror of it, and one repository of it.
pub(super) struct Registry {
    /// With the scheme, without `/v2`.
    base: String,
    /// As it was named, for messages.
    name: String,
    repository: String,
    image: String,
    auth: Auth,
    client: Client,
    plain: bool,
    /// The value of `Authorization:` that it took last.
    proof: Mutex<Option<String>>,
}

impl Registry {
    /// Those to be asked, in order.
    pub(super) fn all(request: &PullRequest) -> Result<Vec<Self>, PullError> {
        let mirrors = request.mirrors.iter().map(|mirror| {
            let base = mirror.url.trim_end_matches('/').to_owned();
            let plain = base.starts_with("http://");
            (base, mirror.auth.clone(), plain)
        });
        let host = match request.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let scheme = if request.plain_http { "http" } else { "https" };
        let own = (
            format!("{scheme}://{host}"),
            request.auth.clone(),
            request.plain_http,
        );
        let all = mirrors.chain([own]);
        all.map(|(base, auth, plain)| Self::new(request, base, auth, plain))
            .collect()
    }

    fn new(
        request: &PullRequest,
        base: String,
        auth: Auth,
        plain: bool,
    ) -> Result<Self, PullError> {
        let name = match base.split_once("://") {
            Some((_, host)) => host.to_owned(),
            None => base.clone(),
        };
        let settings = |source| PullError::Settings {
            registry: name.clone(),
            source,
        };
        // Somebody else may have chosen already; ours is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match client(request, plain, false) {
            // A host without certificates of its own trusts those it was told of, or nobody.
            Err(_) => client(request, plain, true).map_err(settings)?,
            Ok(client) => client,
        };
        Ok(Self {
            client,
            repository: request.repository.clone(),
            image: request.name(),
            proof: Mutex::new(match &auth {
                Auth::Bearer(token) => Some(format!("Bearer {token}")),
                _ => None,
            }),
            base,
            name,
            auth,
            plain,
        })
    }

    /// Something small as a whole.
    pub(super) async fn small(&self, what: &What) -> Result<Vec<u8>, PullError> {
        let response = self.get(what, None).await?;
        let mut bytes = Vec::new();
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            bytes.extend_from_slice(&part.map_err(|source| self.network(source))?);
            if bytes.len() > MOST_BYTES {
                return Err(PullError::Token {
                    registry: self.name.clone(),
                    what: format!("a manifest or configuration of more than {MOST_BYTES} bytes"),
                });
            }
        }
        Ok(bytes)
    }

    /// Something, from a byte on. The answer is one of success.
    pub(super) async fn get(&self, what: &What, from: Option<u64>) -> Result<Response, PullError> {
        let proof = self.proof.lock().await.clone();
        let response = self
            .send(self.request(what, from), proof.as_deref())
            .await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.judge(response, what);
        }
        let proof = self.prove(&response).await?;
        let response = self
            .send(self.request(what, from), proof.as_deref())
            .await?;
        if response.status().is_success() {
            *self.proof.lock().await = proof;
        }
        self.judge(response, what)
    }

    fn request(&self, what: &What, from: Option<u64>) -> RequestBuilder {
        let (kind, name) = match what {
            What::Manifest(name) => ("manifests", name),
            What::Blob(name) => ("blobs", name),
        };
        let url = format!("{}/v2/{}/{kind}/{name}", self.base, self.repository);
        let mut request = self.client.get(url);
        if let What::Manifest(_) = what {
            request = request.header(ACCEPT_HEADER, ACCEPT.join(", "));
        }
        match from.filter(|from| *from > 0) {
            Some(from) => request.header(RANGE, format!("bytes={from}-")),
            None => request,
        }
    }

    async fn send(
        &self,
        request: RequestBuilder,
        proof: Option<&str>,
    ) -> Result<Response, PullError> {
        let request = match proof {
            Some(proof) => request.header(reqwest::header::AUTHORIZATION, proof),
            None => request,
        };
        request.send().await.map_err(|source| self.network(source))
    }

    pub(super) fn network(&self, source: reqwest::Error) -> PullError {
        PullError::Network {
            registry: self.name.clone(),
            source: source.without_url(),
        }
    }

    fn judge(&self, response: Response, what: &What) -> Result<Response, PullError> {
        let status = response.status();
        let registry = self.name.clone();
        let name = match what {
            What::Manifest(_) => self.image.clone(),
            What::Blob(digest) => format!("{digest} of {}", self.image),
        };
        Err(match status {
            _ if status.is_success() => return Ok(response),
            StatusCode::NOT_FOUND => PullError::NotFound { name, registry },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                PullError::Unauthorized { name, registry }
            }
            StatusCode::TOO_MANY_REQUESTS => PullError::TooManyRequests {
                registry,
                retry_after: retry_after(&response),
            },
            _ => PullError::Answer {
                registry,
                name,
                status: status.as_u16(),
            },
        })
    }

    /// What to show for the answer that something is to be shown.
    async fn prove(&self, response: &Response) -> Result<Option<String>, PullError> {
        let asked = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let asked: Vec<&str> = asked.filter_map(|value| value.to_str().ok()).collect();
        let of = |scheme: &str| {
            asked.iter().find_map(|text| {
                let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
                name.eq_ignore_ascii_case(scheme).then_some(rest)
            })
        };
        if let Some(parameters) = of("Bearer") {
            return self.token(parameters).await.map(Some);
        }
        match (&self.auth, of("Basic")) {
            (Auth::Basic(user, password), Some(_)) => Ok(Some(basic(user, password))),
            _ => Ok(None),
        }
    }

    async fn token(&self, parameters: &str) -> Result<String, PullError> {
        let wrong = |what: String| PullError::Token {
            registry: self.name.clone(),
            what,
        };
        let parameters = parameters_of(parameters);
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        let realm = get("realm").and_then(|realm| Url::parse(realm).ok());
        let realm = realm.ok_or_else(|| wrong("it names no server for tokens".to_owned()))?;
        if realm.scheme() != "https" && !self.plain {
            return Err(wrong(format!(
                "its server for tokens, {}, has no https: allow plain HTTP if you trust the way there",
                realm.host_str().unwrap_or_default()
            )));
        }
        let scope = format!("repository:{}:pull", self.repository);
        let mut fields = vec![("scope", get("scope").unwrap_or(&scope))];
        fields.extend(get("service").map(|service| ("service", service)));
        let request = match &self.auth {
            Auth::Identity(token) => {
                fields.extend([("grant_type", "refresh_token"), ("client_id", "vks")]);
                fields.push(("refresh_token", token));
                let mut form = realm.clone();
                form.query_pairs_mut().clear().extend_pairs(&fields);
                let body = form.query().unwrap_or_default().to_owned();
                let kind = "application/x-www-form-urlencoded";
                let request = self.client.post(realm).body(body);
                request.header(reqwest::header::CONTENT_TYPE, kind)
            }
            auth => {
                let request = self.client.get(realm).query(&fields);
                match auth {
                    Auth::Basic(user, password) => request.basic_auth(user, Some(password)),
                    _ => request,
                }
            }
        };
        let response = self.send(request, None).await?;
        if response.status() == StatusCode::BAD_REQUEST {
            return Err(PullError::Unauthorized {
                name: self.image.clone(),
                registry: self.name.clone(),
            });
        }
        let response = self.judge(response, &What::Manifest(String::new()))?;
        let answer: Token = response
            .json()
            .await
            .map_err(|source| self.network(source))?;
        let token = answer.token.or(answer.access_token);
        let token = token.ok_or_else(|| wrong("its server for tokens gave none".to_owned()))?;
        Ok(format!("Bearer {token}"))
    }
}

fn client(request: &PullRequest, plain: bool, only_told: bool) -> reqwest::Result<Client> {
    let mut client = Client::builder()
        .user_agent(concat!("vks/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .https_only(!plain)
        .no_proxy();
    if let Some(proxy) = &request.proxy {
        client = client.proxy(reqwest::Proxy::all(proxy)?);
    }
    let mut told = Vec::new();
    for pem in &request.certificates {
        told.extend(reqwest::Certificate::from_pem_bundle(pem)?);
    }
    match only_told {
        true => client.tls_certs_only(told),
        false => client.tls_certs_merge(told),
    }
    .build()
}

#[derive(serde::Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic(user: &str, password: &str) -> String {
    let both = format!("{user}:{password}");
    format!("Basic {}", base64(both.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => text.push(char::from(
                    DIGITS[(number >> (18 - 6 * digit)) as usize & 63],
                )),
                false => text.push('='),
            }
        }
    }
    text
}

/// `a="x y",b=z` (RFC 9110, 11.2), as far as registries write it.
fn parameters_of(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key.trim().to_ascii_lowercase(), value.to_owned()));
        rest = next.trim_start_matches([',', ' ']);
    }
    found
}

/// In seconds. A date would need the clock of the registry to be right; its answer without a number means "later".
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = r#"realm="https://auth.docker.io/token",service="registry.docker.io", scope="repository:a/b:pull,push""#;
        let found = parameters_of(text);
        assert_eq!(found[0].1, "https://auth.docker.io/token");
        assert_eq!(
            found[2],
            ("scope".to_owned(), "repository:a/b:pull,push".to_owned())
        );
        assert_eq!(parameters_of("realm=x,service=y")[1].1, "y");
        assert!(parameters_of("").is_empty());
    }

    #[test]
    fn users_and_passwords_are_encoded() {
        // The examples of RFC 4648.
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }
}
