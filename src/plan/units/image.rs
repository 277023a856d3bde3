//! What a container's image says about how it is started.

use super::Room;
use crate::model::image::resolved::{Content, NixImage, Resolved};
use crate::model::pod::Container;
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::bind_path;

/// Where commands without a path are looked for on the host (systemd's default).
const HOST_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

/// What the host's programs need to start, vks among them.
const LIBRARIES: [&str; 3] = ["/lib", "/lib64", "/usr/lib"];

/// What is the same for everybody, and what names and times are looked up in.
const COMMON: [&str; 7] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
];

impl Room<'_> {
    /// What a container runs from.
    pub(super) fn image(&self, spec: &Container) -> Result<&Resolved, Blocked> {
        match self.images.get(&spec.name) {
            Some(Ok(image)) => Ok(image),
            Some(Err(blocked)) => Err(blocked.clone()),
            None => Err(Blocked {
                container: Some(spec.name.clone()),
                reason: "ContainerCreating",
                message: format!("image \"{}\" has not been looked for yet", spec.image),
            }),
        }
    }

    /// Its file tree. `own` says that vks itself starts in it, before the program.
    pub(super) fn root(&self, file: &mut UnitFile, image: &Resolved, own: bool) {
        match &image.content {
            Content::Host { .. } | Content::Deb(_) | Content::Dir { .. } | Content::Oci(_) => {}
            Content::Nix(nix) => self.store(file, nix, own),
        }
    }

    fn store(&self, file: &mut UnitFile, nix: &NixImage, own: bool) {
        let bin = format!("{}/bin", nix.path);
        file.push("Service", "ExecSearchPath", format!("{bin}:{HOST_PATH}"));
        if nix.closure.is_empty() {
            return;
        }
        file.push("Service", "TemporaryFileSystem", "/:ro");
        file.push("Service", "MountAPIVFS", "yes");
        for path in &nix.closure {
            file.push("Service", "BindReadOnlyPaths", bind_path(path));
        }
        let program = self.settings.program.as_str();
        let mine = LIBRARIES.into_iter().chain([program]).filter(|_| own);
        for path in COMMON.into_iter().chain(mine) {
            file.push(
                "Service",
                "BindReadOnlyPaths",
                format!("-{}", bind_path(path)),
            );
        }
    }
}

/// The program that runs when the pod names no command.
pub(super) fn program(spec: &Container, image: &Resolved) -> Result<String, Blocked> {
    let program = match &image.content {
        Content::Host { program } => Some(program),
        Content::Nix(nix) => nix.program.as_ref(),
        Content::Deb(deb) => deb.program.as_ref(),
        Content::Dir { .. } | Content::Oci(_) => None,
    };
    program.cloned().ok_or_else(|| Blocked {
        container: Some(spec.name.clone()),
        reason: "CreateContainerConfigError",
        message: format!(
            "image \"{}\" has no program of its own that could be told: name one in command",
            spec.image
        ),
    })
}
