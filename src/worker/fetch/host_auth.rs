//! Credentials that the host has for a registry: files in the format of Docker's `config.json`, and the programs that those
//! name.
//!
//! A credential helper is `docker-credential-NAME get`, with the registry on standard input (docker-credential-helpers). It is
//! run as it is, has [`LIMIT`], and what it prints is never repeated: it may be a secret. When there is one for a registry and
//! it does not answer, this is said in the journal, and the image is asked for with what else there is.

use crate::chain;
use crate::config::Settings;
use crate::host::ask::{Answer, ask};
use crate::host::program;
use crate::model::image::oci::{DEFAULT_REGISTRY, OciRef};
use crate::model::image::registry::Credentials;
use crate::plan::images::auth::{helper, of_config, of_helper};
use std::process::Command;
use std::time::Duration;

/// How long a helper has.
const LIMIT: Duration = Duration::from_secs(30);
/// What Docker calls its registry when it asks.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What helpers say on standard output when they have nothing, and end with 1.
const NOTHING: &str = "credentials not found";

/// The first that there are, in the order of the files of the settings.
pub(super) fn of_host(image: &OciRef, settings: &Settings) -> Option<Credentials> {
    settings.images.auth_files.iter().find_map(|path| {
        let text = std::fs::read(path).ok()?;
        let helped = helper(&text, image).and_then(|name| of_program(&name, image));
        helped.or_else(|| of_config(&text, image).into_iter().next())
    })
}

fn of_program(name: &str, image: &OciRef) -> Option<Credentials> {
    let name = format!("docker-credential-{name}");
    let Some(path) = program::find(&name) else {
        log::warn!(
            "there is no program {name}, which is to have the credentials for {}",
            image.registry
        );
        return None;
    };
    let registry = match image.registry.as_str() {
        DEFAULT_REGISTRY => DOCKER_HUB,
        registry => registry,
    };
    let mut command = Command::new(path);
    command.arg("get");
    if std::env::var_os("HOME").is_none() {
        command.env("HOME", "/root");
    }
    match ask(&mut command, format!("{registry}\n").as_bytes(), LIMIT) {
        Ok(answer) => understood(&name, registry, &answer),
        Err(error) => {
            log::warn!("no credentials for {registry}: {}", chain::line(&error));
            None
        }
    }
}

fn understood(name: &str, registry: &str, answer: &Answer) -> Option<Credentials> {
    if answer.status.success() {
        let found = of_helper(&answer.out);
        if found.is_none() {
            log::warn!(
                "no credentials for {registry}: {name} does not answer with Username and Secret"
            );
        }
        return found;
    }
    if !String::from_utf8_lossy(&answer.out).contains(NOTHING) {
        let said = String::from_utf8_lossy(&answer.err);
        let said = said.lines().next_back().unwrap_or_default();
        log::warn!(
            "no credentials for {registry}: {name}: {}: {said}",
            answer.status
        );
    }
    None
}
