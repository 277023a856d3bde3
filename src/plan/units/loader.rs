//! Variables by which a program's loader runs other code.
//!
//! What a container of the host's files is given stands in its unit, for every command of it: also for those of vks that
//! systemd runs as root when it starts and ends (`+` in systemd.service(5)). There, such a variable would make code of the
//! container's choice run as root. Containers with a root of their own get theirs from `vks launch`, under their own names.

use super::super::env::Environment;
use super::super::security::Confinement;
use super::file_keys;
use crate::model::pod::Container;
use crate::model::security::Profile;
use crate::model::status::Blocked;

/// What they begin with (ld.so(8), iconv(1)).
const RUN_CODE: [&str; 3] = ["LD_", "GLIBC_TUNABLES", "GCONV_PATH"];

/// Refuses a container that has such a variable, unless it is trusted with the host anyway.
pub(super) fn no_loader_variables(
    container: &Container,
    env: &Environment,
    confinement: &Confinement,
) -> Result<(), Blocked> {
    let runs_code = |name: &&String| RUN_CODE.iter().any(|start| name.starts_with(start));
    let mut names = env.keys().chain(file_keys::names(container));
    let Some(name) = names.find(runs_code) else {
        return Ok(());
    };
    if confinement.profile == Profile::Trusted {
        return Ok(());
    }
    Err(Blocked {
        container: Some(container.name.clone()),
        reason: "CreateContainerConfigError",
        message: format!(
            "variable {name} would reach commands that systemd runs as root for the container: set it in the command \
             (host:env with {name}=… and the program as args), or give the container an image with files of its own"
        ),
    })
}
