//! Questions to the API server: whose token is this, and may they do that?

use super::user::User;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use std::time::Duration;
use tokio::time::timeout;

/// How long the API server may think.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deed {
    /// `get`, `create`, ...
    pub verb: &'static str,
    /// Of `nodes`: `proxy`, `stats`, ...
    pub subresource: &'static str,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The API server refused the question, or cannot be reached.
    #[error("ask the API server to review a {0}")]
    Asked(&'static str, #[source] Box<kube::Error>),
    /// It said that it could not tell.
    #[error("the API server cannot review a {0}: {1}")]
    Unsure(&'static str, String),
    /// There is none yet.
    #[error("there is no connection to the API server to review a {0}")]
    Unconnected(&'static str),
    /// It did not answer.
    #[error("the API server did not answer about a {0} in {PATIENCE:?}")]
    Silent(&'static str),
}

/// Whoever answers the questions.
pub trait Reviewer: Send + Sync {
    /// Whose token this is; `None` when it is nobody's.
    fn whose<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>>;
    /// Whether they may do that on this node.
    fn may<'a>(
        &'a self,
        user: &'a User,
        deed: &'a Deed,
        node: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>>;
}

/// The API server, reached by the client of the moment.
pub struct ByClient<F> {
    client: F,
}

impl<F: Fn() -> Option<Client> + Send + Sync> ByClient<F> {
    /// `client` gives the client to use now, if there is a connection: it may be another one after a certificate was
    /// renewed.
    pub fn new(client: F) -> Self {
        Self { client }
    }

    async fn create<K>(&self, what: &'static str, review: &K) -> Result<K, ReviewError>
    where
        K: kube::Resource<Scope = k8s_openapi::ClusterResourceScope>
            + serde::Serialize
            + serde::de::DeserializeOwned
            + Clone
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let client = (self.client)().ok_or(ReviewError::Unconnected(what))?;
        let api: Api<K> = Api::all(client);
        let post = PostParams::default();
        let answer = timeout(PATIENCE, api.create(&post, review)).await;
        let answer = answer.map_err(|_| ReviewError::Silent(what))?;
        answer.map_err(|error| ReviewError::Asked(what, Box::new(error)))
    }

    async fn review_token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let status = self
            .create("token", &review)
            .await?
            .status
            .unwrap_or_default();
        let user = match (status.authenticated, status.error) {
            (Some(true), _) => status.user.unwrap_or_default(),
            (_, Some(error)) if !error.is_empty() && status.authenticated.is_none() => {
                log::debug!("a token was refused: {error}");
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(User {
            name: user.username.unwrap_or_default(),
            uid: user.uid.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default().into_iter().collect(),
        }))
    }

    async fn review_access(
        &self,
        user: &User,
        deed: &Deed,
        node: &str,
    ) -> Result<bool, ReviewError> {
        let text = |text: &str| Some(text.to_owned());
        let attributes = ResourceAttributes {
            name: text(node),
            resource: text("nodes"),
            subresource: text(deed.subresource),
            verb: text(deed.verb),
            version: text("v1"),
            ..ResourceAttributes::default()
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: text(&user.name),
                uid: (!user.uid.is_empty()).then(|| user.uid.clone()),
                groups: Some(user.groups.clone()),
                extra: Some(user.extra.iter().cloned().collect()),
                resource_attributes: Some(attributes),
                non_resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        };
        let status = self
            .create("request", &review)
            .await?
            .status
            .unwrap_or_default();
        match status.evaluation_error {
            Some(error) if !status.allowed && status.denied != Some(true) && !error.is_empty() => {
                Err(ReviewError::Unsure("request", error))
            }
            _ => Ok(status.allowed && status.denied != Some(true)),
        }
    }
}

impl<F: Fn() -> Option<Client> + Send + Sync> Reviewer for ByClient<F> {
    fn whose<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>> {
        Box::pin(self.review_token(token))
    }

    fn may<'a>(
        &'a self,
        user: &'a User,
        deed: &'a Deed,
        node: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>> {
        Box::pin(self.review_access(user, deed, node))
    }
}
