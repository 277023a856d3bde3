//! Volumes that are the files of an image.

use super::super::env::Context;
use super::super::files::blocked;
use super::super::images;
use super::{Place, PlaceKind};
use crate::model::image::resolved::{Content, User};
use crate::model::image::{ImageRef, PullPolicy};
use crate::model::oci::Unpacked;
use crate::model::status::Blocked;
use crate::model::volume::{HostPathKind, Volume};

/// The files of an image, which are where they are.
pub(super) fn of_image(
    context: &Context,
    volume: &Volume,
    image: &ImageRef,
    policy: Option<PullPolicy>,
) -> Result<Place, Blocked> {
    let named = images::Named {
        user: User::Volume(volume.name.clone()),
        image,
        policy,
    };
    let found = images::of(context.pod, &named, context.desired, context.settings);
    let mut users = context.pod.spec.all_containers().filter(|(_, container)| {
        let mut mounts = container.mounts.iter();
        mounts.any(|mount| mount.volume == volume.name)
    });
    let user = users.next().or(context.pod.spec.all_containers().next());
    let found = found.map_err(|(reason, message)| Blocked {
        // The pod waits as a whole, but it is told of who needs it.
        container: user.map(|(_, container)| container.name.clone()),
        reason,
        message,
    })?;
    let path = match found.content {
        Content::Dir { root } => root,
        Content::Nix(nix) => nix.path,
        Content::Oci(image) => return Ok(of_layers(context, volume, &image)),
        Content::Host { .. } | Content::Deb(_) => {
            let why = format!(
                "image \"{image}\" has no files of its own: only those of the kinds oci, nix and dir have"
            );
            return Err(blocked(&volume.name, &why));
        }
    };
    Ok(Place {
        path,
        kind: PlaceKind::HostPath(HostPathKind::Directory),
        read_only: true,
        block: false,
    })
}

/// One layer is where it is; several are put together by the sandbox.
fn of_layers(context: &Context, volume: &Volume, image: &Unpacked) -> Place {
    let layout = &context.settings.layout;
    let directories = image.layers.iter().map(|layer| layout.layer(layer));
    let mut layers: Vec<String> = directories.map(|path| path.display().to_string()).collect();
    let (path, kind) = match layers.len() {
        1 => (
            layers.remove(0),
            PlaceKind::HostPath(HostPathKind::Directory),
        ),
        _ => {
            let at = layout.image_volume(context.uid, &volume.name);
            (at.display().to_string(), PlaceKind::Layers(layers))
        }
    };
    Place {
        path,
        kind,
        read_only: true,
        block: false,
    }
}
