mod controllers;
mod late;
mod right;
mod security;
mod service;
mod volumes;
mod wrong;
mod wrong_containers;
mod wrong_identity;

use super::*;
use std::path::Path;

/// The problems of a text as people see them, without the file's name.
fn problems(file: &str, text: &str) -> Vec<String> {
    let parsed = parse(Path::new(file), text.as_bytes());
    let strip = |problem: &crate::model::desired::Problem| {
        let text = problem.to_string();
        text.strip_prefix(file)
            .and_then(|rest| rest.strip_prefix(':'))
            .map_or(text.clone(), str::to_owned)
    };
    parsed.problems.iter().map(strip).collect()
}

fn expect(text: &str, wanted: &[&str]) {
    assert_eq!(problems("/x.yaml", text), wanted, "{text}");
}
