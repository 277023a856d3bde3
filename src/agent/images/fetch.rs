//! One fetch: a request, its unit, and what came of it.

use super::Ended;
use crate::host::files::FileError;
use crate::host::image_files;
use crate::host::systemd::Systemd;
use crate::model::image::fetch::{Outcome, Request};
use crate::model::layout::Layout;
use crate::model::name::UnitName;

/// Has an image fetched, however long that takes. An attempt of an agent before that is still under way is joined.
pub(super) async fn fetch(systemd: Systemd, layout: Layout, request: Request) -> Ended {
    let id = request.id();
    let outcome = match ask(&systemd, layout, request).await {
        Ok(outcome) => outcome,
        Err(message) => Outcome::Failed {
            message,
            retry_after: None,
        },
    };
    (id, outcome)
}

async fn ask(systemd: &Systemd, layout: Layout, request: Request) -> Result<Outcome, String> {
    let id = request.id();
    let unit: UnitName = request.unit().parse().map_err(|error| format!("{error}"))?;
    let (place, asked) = (layout.clone(), request.clone());
    on_disk(move || image_files::write_request(&place, &asked)).await?;
    let ran = systemd.start_and_wait(&unit).await;
    let result = on_disk(move || {
        // One that was joined has read its own.
        image_files::take_request(&layout, &id)?;
        image_files::take_result(&layout, &id)
    });
    let result = result.await?;
    match (ran, result) {
        (_, Some(outcome)) => Ok(outcome),
        (Err(error), None) => Err(crate::chain::line(&error)),
        (Ok(_), None) => Err(format!(
            "{unit} has ended without saying why: see journalctl -u '{unit}'"
        )),
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| "interrupted".to_owned())?;
    done.map_err(|error| crate::chain::line(&error))
}
