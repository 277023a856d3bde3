//! The Nix store, by nix' own programs: through its daemon where there is one.

use super::files::{Dir, FileError};
use super::program::{ProgramError, find, run};
use std::path::Path;
use std::process::Command;

/// The daemon's socket.
const DAEMON: &str = "/nix/var/nix/daemon-socket/socket";

/// Why something of the store cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// No nix.
    #[error("there is no nix on this host: install it, or name a store path that is there")]
    Missing,
    /// It failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The link that keeps a path.
    #[error("cannot keep a store path from being collected")]
    Root(#[source] FileError),
    /// It did not say what it made.
    #[error("nix gave an answer that vks does not understand: {0}")]
    Answer(String),
}

fn nix(program: &str) -> Result<Command, NixError> {
    let mut command = Command::new(find(program).ok_or(NixError::Missing)?);
    command.env("HOME", "/root");
    if Path::new(DAEMON).exists() {
        command.env("NIX_REMOTE", "daemon");
    }
    Ok(command)
}

fn new_style() -> Result<Command, NixError> {
    let mut command = nix("nix")?;
    command.args(["--extra-experimental-features", "nix-command flakes"]);
    Ok(command)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Builds an installable, or fetches it from a cache; `link` becomes a link to it that keeps it. Gives its store path.
///
/// # Errors
/// What nix says.
pub fn build(installable: &str, directory: &Path, link: &str) -> Result<String, NixError> {
    Dir::create(directory).map_err(NixError::Root)?;
    let mut command = new_style()?;
    command
        .args(["build", "--json", "--out-link"])
        .arg(directory.join(link))
        .arg(installable);
    let json: serde_json::Value =
        serde_json::from_slice(&run(&mut command, b"")?).unwrap_or_default();
    let outputs = &json[0]["outputs"];
    let first = || outputs.as_object()?.values().next()?.as_str();
    let path = outputs["out"].as_str().or_else(first);
    let path = path.ok_or_else(|| NixError::Answer(json.to_string()))?;
    Ok(path.to_owned())
}

/// Makes sure that a store path is there, from a cache if need be, and stays: `link` becomes a link to it that keeps it.
///
/// # Errors
/// What nix says.
pub fn realise(path: &str, directory: &Path, link: &str) -> Result<(), NixError> {
    Dir::create(directory).map_err(NixError::Root)?;
    let mut command = nix("nix-store")?;
    command
        .arg("--realise")
        .arg(path)
        .arg("--add-root")
        .arg(directory.join(link))
        .arg("--indirect");
    run(&mut command, b"")?;
    Ok(())
}

/// Lets a store path go when nothing else keeps it.
///
/// # Errors
/// When the link cannot be removed.
pub fn let_go(directory: &Path, link: &str) -> Result<(), FileError> {
    match Dir::open(directory)? {
        Some(dir) => dir.remove(link).map(drop),
        None => Ok(()),
    }
}

/// The program that a package is for, as it says itself (`meta.mainProgram`); `None` when it does not.
pub fn main_program(installable: &str) -> Option<String> {
    let mut command = new_style().ok()?;
    command.args(["eval", "--raw", &format!("{installable}.meta.mainProgram")]);
    let name = text(run(&mut command, b"").ok()?);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// All store paths that one needs, itself among them, sorted.
///
/// # Errors
/// What nix says.
pub fn closure(path: &str) -> Result<Vec<String>, NixError> {
    let mut command = nix("nix-store")?;
    command.args(["--query", "--requisites", path]);
    let all = text(run(&mut command, b"")?);
    let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
    all.sort();
    Ok(all)
}

/// Bytes of a store path by itself; 0 when nix cannot say.
pub fn size(path: &str) -> u64 {
    let mut command = match nix("nix-store") {
        Ok(command) => command,
        Err(_) => return 0,
    };
    command.args(["--query", "--size", path]);
    let size = run(&mut command, b"").ok().map(text);
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// The programs of a store path.
pub fn programs(path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(path).join("bin"))
        .into_iter()
        .flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // What a wrapper leaves beside itself.
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}
