//! Who may do what: certificate or token, then the API server's word. Nobody does anything without a name.

use super::cache::Cache;
use super::refusal::Refusal;
use super::review::{Deed, ReviewError, Reviewer};
use super::user::User;
use hyper::{HeaderMap, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long a token is believed (the kubelet's `authentication.webhook.cacheTTL`).
const TOKEN: Duration = Duration::from_secs(120);
/// How long a permission holds (`authorization.webhook.cacheAuthorizedTTL`).
const ALLOWED: Duration = Duration::from_secs(300);
/// How long a refusal holds (`cacheUnauthorizedTTL`).
const DENIED: Duration = Duration::from_secs(30);
/// Questions to the API server at the same time.
const QUESTIONS: usize = 16;
/// The longest token that is looked at.
const LONGEST_TOKEN: usize = 16 << 10;

/// Decides who may do what.
pub struct Access {
    node: String,
    reviewer: Option<Arc<dyn Reviewer>>,
    users: Cache<[u8; 32], User>,
    verdicts: Cache<(User, Deed), bool>,
    questions: Semaphore,
}

impl Access {
    /// For the node of this name. Without a reviewer, tokens are refused, and only system:masters may do anything.
    pub fn new(node: String, reviewer: Option<Arc<dyn Reviewer>>) -> Self {
        Self {
            node,
            reviewer,
            users: Cache::default(),
            verdicts: Cache::default(),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// Lets a request pass, or says why not.
    pub async fn check(
        &self,
        certificate: Option<&User>,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<User, Refusal> {
        let user = match certificate {
            Some(user) => Some(user.clone()),
            None => self.by_token(headers).await?,
        };
        let user = user.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"))?;
        let verb = verb(method);
        let subresources = subresources(path);
        for subresource in subresources {
            let deed = Deed { verb, subresource };
            if self
                .may(&user, &deed)
                .await
                .map_err(|error| unsure(&user, verb, &error))?
            {
                return Ok(user);
            }
        }
        let text = format!(
            "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[{}])",
            user.name,
            subresources.join(" ")
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, text))
    }

    async fn by_token(&self, headers: &HeaderMap) -> Result<Option<User>, Refusal> {
        let Some(token) = bearer(headers) else {
            return Ok(None);
        };
        let Some(reviewer) = &self.reviewer else {
            return Ok(None);
        };
        // Tokens themselves are not kept.
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(user) = self.users.get(&digest, Instant::now()) {
            return Ok(Some(user));
        }
        // Never closed.
        let _place = self.questions.acquire().await;
        let user = reviewer.whose(token).await.map_err(|error| {
            log::warn!("{}", crate::chain::line(&error));
            Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized")
        })?;
        if let Some(user) = &user {
            self.users.put(digest, user.clone(), Instant::now(), TOKEN);
        }
        Ok(user)
    }

    async fn may(&self, user: &User, deed: &Deed) -> Result<bool, ReviewError> {
        // Every API server allows them everything: there is no need to ask, and logs can be read while it is away.
        if user.is_master() {
            return Ok(true);
        }
        let Some(reviewer) = &self.reviewer else {
            return Ok(false);
        };
        let key = (user.clone(), deed.clone());
        if let Some(verdict) = self.verdicts.get(&key, Instant::now()) {
            return Ok(verdict);
        }
        let _place = self.questions.acquire().await;
        let verdict = reviewer.may(user, deed, &self.node).await?;
        let span = if verdict { ALLOWED } else { DENIED };
        self.verdicts.put(key, verdict, Instant::now(), span);
        Ok(verdict)
    }
}

fn unsure(user: &User, verb: &str, error: &ReviewError) -> Refusal {
    log::warn!("{}", crate::chain::line(error));
    let text = format!(
        "Authorization error (user={}, verb={verb}, resource=nodes)",
        user.name
    );
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let good =
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST_TOKEN;
    good.then_some(token)
}

/// The API's word for what a request does.
fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    }
}

/// What of the node a path is about: the right to any one of these is enough (KEP-2862).
fn subresources(path: &str) -> &'static [&'static str] {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    match first {
        "stats" => &["stats"],
        "metrics" => &["metrics"],
        "logs" => &["log"],
        "checkpoint" => &["checkpoint"],
        "pods" | "runningpods" => &["pods", "proxy"],
        "healthz" => &["healthz", "proxy"],
        "configz" => &["configz", "proxy"],
        // Newer than the rights of their own: proxy never was enough (kubelet: pkg/kubelet/server/auth.go).
        "statusz" => &["statusz"],
        "flagz" => &["configz"],
        _ => &["proxy"],
    }
}

#[cfg(test)]
mod tests;
