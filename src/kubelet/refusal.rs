//! Answers: what is told as JSON, and those that say no.

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;

/// An answer in JSON.
#[derive(Debug)]
pub struct Json(pub serde_json::Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        let kind = hyper::header::HeaderValue::from_static("application/json");
        ([(hyper::header::CONTENT_TYPE, kind)], self.0.to_string()).into_response()
    }
}

/// Why a request is not fulfilled, in a line for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub status: StatusCode,
    /// The line.
    pub text: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, text }
    }

    /// There is no such thing.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// The request is wrong, or cannot be fulfilled as things stand.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// Something went wrong here. The error goes to whoever asked: nobody else can do anything about it.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, crate::chain::line(error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, self.text + "\n").into_response()
    }
}

impl From<super::pods::NoAgent> for Refusal {
    fn from(error: super::pods::NoAgent) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
