//! `vks as UID:GID [--groups GID,GID] [--merge] [--capabilities HEX] -- PROGRAM...`: becomes a user by number, then the program.
//!
//! `User=` looks numbers up too and refuses one that the host has no user for (217/USER, systemd 257), and so does
//! `SupplementaryGroups=`; a pod's numbers need no user or group of the host. `-` for a user or group keeps that
//! of the process, which may be a dynamic user; with nothing but that, only capabilities change. As for a container runtime, the groups are the group itself and
//! those named, with `--merge` also those that the host has the user in, and HOME is `/` for a user without an entry.
//! `--capabilities` is the most that the program and what it starts can ever have; absent, nothing is taken away.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use nix::unistd::{Gid, Uid, User};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_ambient_set,
    capability_is_in_bounding_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use std::ffi::{CString, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// What systemd exits with when it cannot execute a program: status then says `StartError`.
const EXIT_EXEC: u8 = 203;
/// What systemd exits with when it cannot become a user.
const EXIT_USER: u8 = 217;
/// What systemd exits with when it cannot change capabilities.
const EXIT_CAPABILITIES: u8 = 218;

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum AsError {
    #[error("cannot understand the arguments of vks as")]
    Arguments(#[from] ArgumentError),
    #[error("cannot become user and group {who}")]
    Become { who: String, source: nix::Error },
    #[error("cannot give up capabilities")]
    Capabilities(#[source] rustix::io::Errno),
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
        AsError::Capabilities(_) => EXIT_CAPABILITIES,
        AsError::Execute { .. } => EXIT_EXEC,
    };
    super::fail(&error, false);
    code.into()
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    who: String,
    user: Option<u32>,
    group: Option<u32>,
    groups: Vec<u32>,
    merge: bool,
    capabilities: Option<u64>,
    rest: Vec<OsString>,
}

fn run(args: &[OsString]) -> AsError {
    let wanted = match parse(args) {
        Ok(parsed) => parsed,
        Err(error) => return error.into(),
    };
    let Some((program, arguments)) = wanted.rest.split_first() else {
        return ArgumentError::Missing("a program after --").into();
    };
    let entry = entry(&wanted);
    if let Err(error) = take(&wanted, entry.as_ref()) {
        return error;
    }
    let mut command = Command::new(program);
    command.args(arguments);
    if std::env::var_os("HOME")
        .is_none_or(|home| home == "/root" && wanted.user.is_some_and(|user| user != 0))
    {
        let home = entry.map_or_else(|| "/".into(), |user| user.dir);
        command.env("HOME", home);
    }
    AsError::Execute {
        program: program.clone(),
        source: command.exec(),
    }
}

fn parse(args: &[OsString]) -> Result<Wanted, ArgumentError> {
    let allowed = [
        Allowed::Value("--groups"),
        Allowed::Flag("--merge"),
        Allowed::Value("--capabilities"),
    ];
    let mut args = Arguments::parse(args, &allowed)?;
    let who: String = args.next("UID:GID")?;
    args.end()?;
    let number = |text: &str| match text {
        "-" => Some(None),
        _ => text.parse::<u32>().ok().map(Some),
    };
    let numbers = who
        .split_once(':')
        .and_then(|(user, group)| Some((number(user)?, number(group)?)));
    let (user, group) = numbers.ok_or_else(|| ArgumentError::Value {
        what: "UID:GID",
        value: who.clone(),
        why: "write two numbers, or - for what is".to_owned(),
    })?;
    let groups = args.option::<String>("--groups")?;
    let wrong = |what, value: &str| ArgumentError::Value {
        what,
        value: value.to_owned(),
        why: "not a number".to_owned(),
    };
    let groups = groups.iter().flat_map(|list| list.split(','));
    let groups = groups.map(|text| text.parse().map_err(|_| wrong("--groups", text)));
    let set = args.option::<String>("--capabilities")?;
    let set =
        set.map(|text| u64::from_str_radix(&text, 16).map_err(|_| wrong("--capabilities", &text)));
    Ok(Wanted {
        user,
        group,
        groups: groups.collect::<Result<_, _>>()?,
        merge: args.flag("--merge"),
        capabilities: set.transpose()?,
        rest: args.rest,
        who,
    })
}

/// Becomes somebody by numbers alone, with no more capabilities than `capabilities`.
pub(super) fn become_person(
    (uid, gid): (u32, u32),
    groups: &[u32],
    capabilities: u64,
) -> Result<(), AsError> {
    let wanted = Wanted {
        who: format!("{uid}:{gid}"),
        user: Some(uid),
        group: Some(gid),
        groups: groups.to_vec(),
        merge: false,
        capabilities: Some(capabilities),
        rest: Vec::new(),
    };
    take(&wanted, None)
}

/// The host's entry of the user, if it has one.
fn entry(wanted: &Wanted) -> Option<User> {
    let needed = wanted.merge || std::env::var_os("HOME").is_none();
    let user = wanted.user.filter(|_| needed)?;
    User::from_uid(Uid::from_raw(user)).ok().flatten()
}

/// Bounding set and groups first: afterwards there is no right to change them.
fn take(wanted: &Wanted, entry: Option<&User>) -> Result<(), AsError> {
    let failed = |source| AsError::Become {
        who: wanted.who.clone(),
        source,
    };
    if let Some(set) = wanted.capabilities {
        bound(set).map_err(AsError::Capabilities)?;
    }
    let changes = wanted.user.is_some() || wanted.group.is_some() || !wanted.groups.is_empty();
    if changes {
        nix::unistd::setgroups(&groups(wanted, entry).map_err(failed)?).map_err(failed)?;
    }
    if let Some(group) = wanted.group {
        nix::unistd::setgid(Gid::from_raw(group)).map_err(failed)?;
    }
    if let Some(user) = wanted.user {
        nix::unistd::setuid(Uid::from_raw(user)).map_err(failed)?;
    }
    match wanted.capabilities {
        Some(set) => keep(set).map_err(AsError::Capabilities),
        None => Ok(()),
    }
}

fn groups(wanted: &Wanted, entry: Option<&User>) -> nix::Result<Vec<Gid>> {
    let group = match (wanted.group, wanted.user) {
        (Some(group), _) => Gid::from_raw(group),
        (None, _) => nix::unistd::getegid(),
    };
    let mut groups = vec![group];
    if wanted.merge
        && let Some(entry) = entry
        && let Ok(name) = CString::new(entry.name.as_str())
    {
        groups.extend(nix::unistd::getgrouplist(&name, group)?);
    }
    groups.extend(wanted.groups.iter().copied().map(Gid::from_raw));
    groups.sort_by_key(|group| group.as_raw());
    groups.dedup();
    Ok(groups)
}

/// Takes all but `set` from the bounding set.
fn bound(set: u64) -> rustix::io::Result<()> {
    each(|one| match capability_is_in_bounding_set(one) {
        Ok(true) if set & one.bits() == 0 => {
            remove_capability_from_bounding_set(one).map(|()| true)
        }
        Ok(_) => Ok(true),
        // The first number that this kernel does not know: there are no more.
        Err(_) => Ok(false),
    })
}

/// Keeps of what it has what is in `set`; the program of a user other than root then has what is ambient.
fn keep(set: u64) -> rustix::io::Result<()> {
    let mut ambient = 0;
    each(|one| match capability_is_in_ambient_set(one) {
        Ok(true) if set & one.bits() == 0 => {
            configure_capability_in_ambient_set(one, false).map(|()| true)
        }
        Ok(true) => {
            ambient |= one.bits();
            Ok(true)
        }
        Ok(false) => Ok(true),
        Err(_) => Ok(false),
    })?;
    let has = capabilities(None)?;
    let of = |sets: CapabilitySet, limit| CapabilitySet::from_bits_retain(sets.bits() & limit);
    set_capabilities(
        None,
        CapabilitySets {
            effective: of(has.effective, set),
            permitted: of(has.permitted, set),
            // What is ambient must be inheritable, and nothing else need be.
            inheritable: of(has.inheritable, ambient),
        },
    )
}

fn each(mut act: impl FnMut(CapabilitySet) -> rustix::io::Result<bool>) -> rustix::io::Result<()> {
    for bit in 0..u64::BITS {
        if !act(CapabilitySet::from_bits_retain(1 << bit))? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Wanted, ArgumentError> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_numbers_and_a_program() {
        let plain = of(&["1000:0", "--", "sh", "-c", "x"]).unwrap();
        assert_eq!((plain.user, plain.group), (Some(1000), Some(0)));
        assert_eq!((plain.capabilities, plain.rest.len()), (None, 3));
        let full = of(&[
            "-:7",
            "--groups",
            "1,2",
            "--merge",
            "--capabilities",
            "a0",
            "--",
            "sh",
        ])
        .unwrap();
        assert_eq!((full.user, full.group, full.merge), (None, Some(7), true));
        assert_eq!((full.groups, full.capabilities), (vec![1, 2], Some(0xa0)));
        for bad in [
            &["1000", "--", "sh"][..],
            &["a:b", "--"],
            &["1:-1", "--"],
            &["--", "sh"],
            &["1:1", "--groups", "x", "--", "sh"],
            &["1:1", "--capabilities", "xyz", "--", "sh"],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
