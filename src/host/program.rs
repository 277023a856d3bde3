//! Programs of the host that do what no interface offers: apt, dpkg, nix, credential helpers. Run as they are, without a
//! shell, and waited for: this blocks.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Why a program did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run {0}")]
    Start(String, #[source] io::Error),
    /// It failed, with its own last words.
    #[error("{0}: {1}")]
    Failed(String, String),
}

/// Where programs are, beyond where systemd looks: on NixOS, and where Nix is installed on another system.
const DIRECTORIES: [&str; 7] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
    "/root/.nix-profile/bin",
];

/// A program by its name; `None` when there is none.
pub fn find(name: &str) -> Option<PathBuf> {
    let paths = DIRECTORIES
        .iter()
        .map(|directory| PathBuf::from(directory).join(name));
    paths.into_iter().find(|path| path.is_file())
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it cannot be started, or fails: with the last lines it wrote to standard error.
pub fn run(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, ProgramError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error| ProgramError::Start(name.clone(), error);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that does not read its input says what it thinks of it otherwise.
        let _ = pipe.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = match output.stderr.is_empty() {
        true => output.stdout,
        false => output.stderr,
    };
    let last = last_words(&String::from_utf8_lossy(&said));
    let last = if last.is_empty() {
        output.status.to_string()
    } else {
        last
    };
    let short = name.rsplit('/').next().unwrap_or(&name);
    Err(ProgramError::Failed(short.to_owned(), last))
}

/// The lines that say what is wrong, on one line; the last ones when none does.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let marked = |line: &&&str| {
        line.starts_with("E: ") || line.starts_with("error") || line.starts_with("dpkg: error")
    };
    let errors: Vec<&str> = lines.iter().filter(marked).copied().collect();
    let told = match errors.is_empty() {
        true => &lines[lines.len().saturating_sub(3)..],
        false => &errors[errors.len().saturating_sub(3)..],
    };
    let mut words = told.join("; ");
    if let Some((end, _)) = words.char_indices().nth(1000) {
        words.truncate(end);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_the_programs_words() {
        let error = run(Command::new("cat").arg("/nowhere/at/all"), b"").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
        assert_eq!(run(&mut Command::new("cat"), b"x").unwrap(), b"x");
        let apt = "Reading…\nE: Unable to locate package a\nE: Couldn't find b\nhint";
        assert_eq!(
            last_words(apt),
            "E: Unable to locate package a; E: Couldn't find b"
        );
    }
}
