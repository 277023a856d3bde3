//! Packages of Debian.

use super::{FetchError, Found, status};
use crate::config::Settings;
use crate::host::deb;
use crate::host::systemd::Systemd;
use crate::model::image::ImageRef;
use crate::model::image::deb::DebRef;
use crate::model::image::fetch::Request;
use crate::model::image::resolved::{Content, DebImage, Resolved};
use crate::model::layout::Layout;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;

/// Has a package installed, if it is not, and says what runs of it.
pub(super) fn fetch(
    deb: &DebRef,
    request: &Request,
    settings: &Settings,
) -> Result<Found, FetchError> {
    let _lock = lock(&settings.layout)?;
    let version = deb::installed(&deb.package)?;
    let wanted = |version: &String| deb.version.as_ref().is_none_or(|wanted| wanted == version);
    let enough = version.as_ref().is_some_and(wanted);
    let asks = !enough || (request.fresh && deb.version.is_none());
    let mut own = known(settings, deb);
    if asks {
        own |= install(deb, request, settings, enough)?;
    }
    let version = deb::installed(&deb.package)?;
    let version = version.ok_or_else(|| refused(deb, "apt did not install it"))?;
    if let Some(wanted) = &deb.version
        && *wanted != version
    {
        return Err(FetchError::Version(
            deb.package.clone(),
            version,
            wanted.clone(),
        ));
    }
    let (unit, several) = deb::service(&deb.package)?;
    let program = deb::program(&deb.package);
    if unit.is_none() && program.is_none() && !several.is_empty() {
        log::info!(
            "package {} has several services and none of its name: {}",
            deb.package,
            several.join(", ")
        );
    }
    let image = DebImage {
        package: deb.package.clone(),
        stamp: deb::stamp(&deb.package).unwrap_or_default(),
        version,
        unit,
        program,
        own,
    };
    Ok(Found {
        resolved: Resolved {
            reference: ImageRef::Deb(deb.clone()),
            id: format!("deb:{}={}", image.package, image.version),
            content: Content::Deb(image),
        },
        size: 0,
        fetched: asks,
        open: true,
    })
}

/// Installs it; whether it was not there before.
fn install(
    deb: &DebRef,
    request: &Request,
    settings: &Settings,
    there: bool,
) -> Result<bool, FetchError> {
    if settings.images.install == Some(false) {
        return Err(refused(deb, "images.install in vks.toml is false"));
    }
    if !deb::has_apt() {
        return Err(refused(deb, "there is no apt"));
    }
    status(&format!("installing {}", deb.package));
    let new = deb::install(deb, request.fresh);
    if !there {
        // What was masked is loaded still.
        reload()?;
    }
    let new = new?;
    log::info!(
        "installed {}",
        new.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    );
    Ok(new.contains(&deb.package))
}

fn refused(deb: &DebRef, why: &'static str) -> FetchError {
    FetchError::NoInstall(deb.package.clone(), why)
}

/// Whether vks has installed the package, as far as it remembers.
fn known(settings: &Settings, deb: &DebRef) -> bool {
    let plain = DebRef {
        version: None,
        ..deb.clone()
    };
    [deb.clone(), plain].into_iter().any(|deb| {
        let record = crate::host::image_files::read_ref(&settings.layout, &ImageRef::Deb(deb));
        let content = record.ok().flatten().map(|record| record.resolved.content);
        matches!(content, Some(Content::Deb(image)) if image.own)
    })
}

/// One at a time: what is new after an installation must be what that one brought.
fn lock(layout: &Layout) -> Result<File, FetchError> {
    let failed = |source| FetchError::System("lock the installation of packages", source);
    let file = File::create(layout.fetches().join("packages.lock")).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(file)
}

fn reload() -> Result<(), FetchError> {
    let failed = |source| FetchError::System("start an event loop", source);
    let runtime = crate::worker::runtime().map_err(failed)?;
    Ok(runtime.block_on(async { Systemd::connect(None).await?.reload().await })?)
}
