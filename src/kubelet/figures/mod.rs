//! What pods and the host use: for metrics-server, Prometheus and autoscalers.
//!
//! Read from the files of control groups when it is asked for: nothing is gathered meanwhile. Where a host has no cgroup
//! v2 (a container in a container), pods are listed without figures.

mod collect;
mod page;
mod prometheus;
mod summary;

use super::refusal::{Json, Refusal};
use super::routes::Shared;
use super::state::State;
use axum::response::{IntoResponse as _, Response};
use collect::Collected;
use hyper::header::CONTENT_TYPE;
use page::Page;
use std::sync::Arc;

/// What Prometheus is told that it gets.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads everything, on a thread that may block.
async fn collect(state: &State) -> Result<Collected, Refusal> {
    let pods = state.pods.all().await?;
    let collected = tokio::task::spawn_blocking(move || Collected::of(&pods)).await;
    collected.map_err(|error| Refusal::failed(&error))
}

fn answer(page: &Page) -> Response {
    ([(CONTENT_TYPE, TEXT)], page.text()).into_response()
}

/// `/stats/summary`
pub async fn summary(axum::extract::State(state): Shared) -> Result<Json, Refusal> {
    let collected = collect(&state).await?;
    Ok(Json(summary::of(&state.node, &collected)))
}

/// `/metrics/resource`
pub async fn resource(axum::extract::State(state): Shared) -> Result<Response, Refusal> {
    Ok(answer(&prometheus::resource(&collect(&state).await?)))
}

/// `/metrics/cadvisor`
pub async fn cadvisor(axum::extract::State(state): Shared) -> Result<Response, Refusal> {
    Ok(answer(&prometheus::cadvisor(&collect(&state).await?)))
}

/// `/metrics`: of the agent itself.
pub async fn own(axum::extract::State(state): Shared) -> Result<Response, Refusal> {
    let pods = state.pods.all().await?;
    Ok(answer(&prometheus::own(&state.node, &pods)))
}

/// `/metrics/probes`: whether what is probed is found ready. How often each probe has run is not counted.
pub async fn probes(axum::extract::State(state): Shared) -> Result<Response, Refusal> {
    let pods: Vec<Arc<_>> = state.pods.all().await?;
    Ok(answer(&prometheus::probes(&pods)))
}
