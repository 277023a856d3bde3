//! `vks as UID:GID -- PROGRAM...`: becomes a user by number, then the program.
//!
//! `User=` looks numbers up too and refuses one that the host has no user for (217/USER, systemd 257); a pod's
//! `runAsUser` needs no user of the host. As for a container runtime, there are no supplementary groups, and HOME is
//! `/` for a user without an entry.

use super::args::{ArgumentError, Arguments};
use super::journal;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// What systemd exits with when it cannot execute a program: status then says `StartError`.
const EXIT_EXEC: u8 = 203;
/// What systemd exits with when it cannot become a user.
const EXIT_USER: u8 = 217;

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
enum AsError {
    #[error("cannot understand the arguments of vks as")]
    Arguments(#[from] ArgumentError),
    #[error("cannot become user {user}:{group}")]
    Become {
        user: u32,
        group: u32,
        source: nix::Error,
    },
    #[error("cannot execute {}", program.display())]
    Execute {
        program: OsString,
        source: std::io::Error,
    },
}

/// Runs the verb; returns only on failure.
pub fn main(args: &[OsString]) -> ExitCode {
    let error = run(args);
    journal::install(None);
    let code = match &error {
        AsError::Arguments(_) => return super::fail(&error, true),
        AsError::Become { .. } => EXIT_USER,
        AsError::Execute { .. } => EXIT_EXEC,
    };
    super::fail(&error, false);
    code.into()
}

fn run(args: &[OsString]) -> AsError {
    let (user, group, rest) = match parse(args) {
        Ok(parsed) => parsed,
        Err(error) => return error.into(),
    };
    let Some((program, arguments)) = rest.split_first() else {
        return ArgumentError::Missing("a program after --").into();
    };
    if let Err(source) = take(user, group) {
        return AsError::Become {
            user,
            group,
            source,
        };
    }
    let mut command = Command::new(program);
    command.args(arguments);
    if std::env::var_os("HOME").is_none_or(|home| home == "/root" && user != 0) {
        command.env("HOME", "/");
    }
    AsError::Execute {
        program: program.clone(),
        source: command.exec(),
    }
}

fn parse(args: &[OsString]) -> Result<(u32, u32, Vec<OsString>), ArgumentError> {
    let mut args = Arguments::parse(args, &[])?;
    let who: String = args.next("UID:GID")?;
    args.end()?;
    let numbers = who
        .split_once(':')
        .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
    let (user, group) = numbers.ok_or_else(|| ArgumentError::Value {
        what: "UID:GID",
        value: who,
        why: "write two numbers".to_owned(),
    })?;
    Ok((user, group, args.rest))
}

/// Groups first: afterwards there is no right to change them.
fn take(user: u32, group: u32) -> nix::Result<()> {
    let group = nix::unistd::Gid::from_raw(group);
    nix::unistd::setgroups(&[group])?;
    nix::unistd::setgid(group)?;
    nix::unistd::setuid(nix::unistd::Uid::from_raw(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<(u32, u32, Vec<OsString>), ArgumentError> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_numbers_and_a_program() {
        let (user, group, rest) = of(&["1000:0", "--", "sh", "-c", "x"]).unwrap();
        assert_eq!((user, group, rest.len()), (1000, 0, 3));
        for bad in [
            &["1000", "--", "sh"][..],
            &["a:b", "--"],
            &["1:-1", "--"],
            &["--", "sh"],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
