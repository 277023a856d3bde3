//! The resource limits of another process, read from `/proc/PID/limits` (proc_pid_limits(5)).

use super::process::{Process, ProcessError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The lines of the file and what they are about.
const NAMES: [(&str, Resource); 16] = [
    ("Max cpu time", Resource::Cpu),
    ("Max file size", Resource::Fsize),
    ("Max data size", Resource::Data),
    ("Max stack size", Resource::Stack),
    ("Max core file size", Resource::Core),
    ("Max resident set", Resource::Rss),
    ("Max processes", Resource::Nproc),
    ("Max open files", Resource::Nofile),
    ("Max locked memory", Resource::Memlock),
    ("Max address space", Resource::As),
    ("Max file locks", Resource::Locks),
    ("Max pending signals", Resource::Sigpending),
    ("Max msgqueue size", Resource::Msgqueue),
    ("Max nice priority", Resource::Nice),
    ("Max realtime priority", Resource::Rtprio),
    ("Max realtime timeout", Resource::Rttime),
];

/// All limits of a process.
pub fn of(process: &Process) -> Result<Vec<(Resource, Rlimit)>, ProcessError> {
    let text = process.read("limits")?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// Limits that this kernel does not know are left out.
fn parse(text: &str) -> Vec<(Resource, Rlimit)> {
    let limit = |(name, resource)| {
        let values = text.lines().find_map(|line| line.strip_prefix(name))?;
        let mut values = values.split_whitespace();
        let mut next = || match values.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        let (current, maximum) = (next()?, next()?);
        Some((resource, Rlimit { current, maximum }))
    };
    NAMES.into_iter().filter_map(limit).collect()
}

/// Lets this process have so many open files, or as many as it may: services begin with a soft limit of 1024, for programs
/// that use select(2).
pub fn more_files(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
        // It does with fewer what it can.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_and_hard_limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 524288               files     \n\
                    Max nice priority         0                    0                    \n";
        let limits = parse(text);
        assert_eq!(limits.len(), 3);
        assert!(matches!(
            limits[1],
            (
                Resource::Nofile,
                Rlimit {
                    current: Some(1024),
                    maximum: Some(524_288)
                }
            )
        ));
        assert!(matches!(
            limits[0].1,
            Rlimit {
                current: None,
                maximum: None
            }
        ));
    }

    #[test]
    fn the_kernel_tells_all_of_them() {
        let own = Process::open(std::process::id()).unwrap().unwrap();
        assert_eq!(of(&own).unwrap().len(), NAMES.len());
    }
}
