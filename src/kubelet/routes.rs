//! Which path is what, and the check that all of them pass.

use super::listen::Caller;
use super::refusal::{Json, Refusal};
use super::state::State;
use super::{about, figures, forward, logs, node_logs, remote};
use crate::model::object;
use crate::model::view::PodView;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// The state, as handlers get it.
pub type Shared = axum::extract::State<Arc<State>>;

/// Where one may look around, as `/statusz` lists it.
pub const PATHS: [&str; 9] = [
    "/configz",
    "/flagz",
    "/healthz",
    "/logs",
    "/metrics",
    "/pods",
    "/runningpods",
    "/stats/summary",
    "/statusz",
];

/// All paths, behind the check.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(logs::get),
        )
        .route("/exec/{namespace}/{pod}/{container}", any(remote::exec))
        .route(
            "/exec/{namespace}/{pod}/{uid}/{container}",
            any(remote::exec),
        )
        .route("/attach/{namespace}/{pod}/{container}", any(remote::attach))
        .route(
            "/attach/{namespace}/{pod}/{uid}/{container}",
            any(remote::attach),
        )
        .route("/run/{namespace}/{pod}/{container}", post(remote::run))
        .route(
            "/run/{namespace}/{pod}/{uid}/{container}",
            post(remote::run),
        )
        .route("/portForward/{namespace}/{pod}", any(forward::get))
        .route("/portForward/{namespace}/{pod}/{uid}", any(forward::get))
        .route("/pods", get(pods))
        .route("/pods/", get(pods))
        .route("/runningpods", get(running))
        .route("/runningpods/", get(running))
        .route("/stats/summary", get(figures::summary))
        .route("/metrics", get(figures::own))
        .route("/metrics/resource", get(figures::resource))
        .route("/metrics/cadvisor", get(figures::cadvisor))
        .route("/metrics/probes", get(figures::probes))
        .route("/healthz", get(healthy))
        .route("/healthz/", get(healthy))
        .route("/healthz/ping", get(healthy))
        .route("/healthz/log", get(healthy))
        .route("/healthz/syncloop", get(healthy))
        .route("/configz", get(config))
        .route("/statusz", get(about::status))
        .route("/flagz", get(about::flags))
        .route("/logs", get(node_logs::get))
        .route("/logs/", get(node_logs::get))
        .route("/logs/{*path}", get(node_logs::file))
        .fallback(|| async { Refusal::not_found("404 page not found") })
        .layer(middleware::from_fn_with_state(Arc::clone(&state), check))
        .with_state(state)
}

async fn check(
    axum::extract::State(state): Shared,
    Extension(Caller(caller)): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let checked = state
        .access
        .check(caller.as_ref(), method, path, request.headers())
        .await;
    match checked {
        Ok(_) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The agent answers: then it is well.
async fn healthy(axum::extract::State(state): Shared) -> Result<&'static str, Refusal> {
    state.pods.one(nobody()?).await?;
    Ok("ok")
}

/// A pod that is not there.
fn nobody() -> Result<crate::model::name::PodKey, Refusal> {
    remote::key("kube-system", "healthz")
}

async fn config(axum::extract::State(state): Shared) -> Json {
    Json(json!({ "kubeletconfig": state.config }))
}

async fn pods(axum::extract::State(state): Shared) -> Result<Json, Refusal> {
    list(&state, |_| true).await
}

async fn running(axum::extract::State(state): Shared) -> Result<Json, Refusal> {
    let runs = |pod: &PodView| {
        let units = pod
            .observed
            .iter()
            .flat_map(|observed| observed.units.values());
        units
            .filter_map(|unit| unit.state.run.as_ref())
            .any(|run| run.main_pid != 0)
    };
    list(&state, runs).await
}

async fn list(state: &State, wanted: impl Fn(&PodView) -> bool) -> Result<Json, Refusal> {
    let pods = state.pods.all().await?;
    let pods = pods.iter().filter(|pod| wanted(pod));
    let items: Vec<Value> = pods.map(|pod| object::object(&pod.report)).collect();
    Ok(Json(
        json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }),
    ))
}
