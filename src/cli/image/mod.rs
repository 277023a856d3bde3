//! `vks image`: images of this host, by hand.

mod list;

use super::context::{Context, Outcome};
use super::error::CliError;
use crate::config::Settings;
use crate::host::files::Dir;
use crate::model::image::ImageRef;
use crate::model::image::fetch::{Outcome as Fetched, Request};
use crate::model::image::record::canonical;
use crate::worker::fetch::import::import;
use crate::worker::fetch::keep::{self, Image};
use crate::worker::fetch::{self, FetchError};
use std::path::PathBuf;

/// Look after the images of pods
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Have it here before a pod needs it
  vks image pull deb:uptimed

  # Without any network, from a file
  vks image import web.tar

  # What is here, and which pods have it
  vks image list -o wide

  # For scripts
  vks image list -o json | jq -r '.items[] | select(.pods == []) | .resolved.reference'

  # Remove all that no pod names
  vks image prune")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Fetch images; every pod may then use them
    Pull {
        /// The images, as a pod would name them
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<ImageRef>,
    },
    /// Show the images that are here
    #[command(visible_alias = "ls")]
    List {
        /// Instead of the usual table
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<list::Format>,
        /// Without the line of headers
        #[arg(long)]
        no_headers: bool,
    },
    /// Show all that is known of an image, as JSON
    Inspect {
        /// The image, as a pod would name it
        #[arg(value_name = "IMAGE")]
        image: ImageRef,
    },
    /// Bring images from a file that docker save, podman save or Nix has written, or from an OCI layout
    Import {
        /// The archive, or the directory of a layout
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Under this name (default: those in the file)
        #[arg(long, value_name = "IMAGE")]
        name: Option<ImageRef>,
    },
    /// Remove images; those that pods have stay
    Rm {
        /// The images, as a pod would name them
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<ImageRef>,
    },
    /// Remove all images that no pod has
    Prune {
        /// Only those that are old, or that the disk has no room for
        #[arg(long)]
        old: bool,
    },
}

/// Runs it.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let settings = &context.settings;
    match &args.act {
        Act::Pull { images } => {
            for image in images {
                pull(image, context).await?;
            }
        }
        Act::List { output, no_headers } => {
            let images = keep::all(settings).map_err(CliError::Image)?;
            let now = super::pods::now();
            context.print(&list::text(&images, *output, !no_headers, now))?;
        }
        Act::Inspect { image } => {
            let found = find(image, settings)?;
            // Plain data: cannot fail.
            let text = serde_json::to_string_pretty(&found.record).unwrap_or_default();
            context.print(&format!("{text}\n"))?;
        }
        Act::Import { path, name } => {
            let name = name.as_ref().map(|name| reference(name, settings));
            let (path, name) = (path.clone(), name.transpose()?);
            let settings = settings.clone();
            let records = blocking(move || import(&path, name.as_ref(), &settings)).await?;
            for record in records {
                let resolved = record.resolved;
                context.print(&format!("{} {}\n", resolved.reference, resolved.id))?;
            }
        }
        Act::Rm { images } => {
            for image in images {
                let found = find(image, settings)?;
                if let Some(pod) = found.pods.first() {
                    let message =
                        format!("image {image} is in use by pod {pod}: delete that first");
                    return Err(CliError::Usage(message));
                }
                remove(found, context).await?;
            }
        }
        Act::Prune { old: true } => {
            let settings = settings.clone();
            let tidy = blocking(move || keep::tidy(&settings)).await?;
            for image in tidy {
                context.print(&format!("{} removed\n", image.record.resolved.reference))?;
            }
        }
        Act::Prune { old: false } => {
            let images = keep::all(settings).map_err(CliError::Image)?;
            for image in images.into_iter().filter(|image| image.pods.is_empty()) {
                remove(image, context).await?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// What the name of an image means here.
fn reference(image: &ImageRef, settings: &Settings) -> Result<ImageRef, CliError> {
    let found = settings.images.reference(image, None);
    found.map_err(CliError::Usage)
}

fn find(image: &ImageRef, settings: &Settings) -> Result<Image, CliError> {
    let name = canonical(&reference(image, settings)?);
    let images = keep::all(settings).map_err(CliError::Image)?;
    let mut found = images
        .into_iter()
        .filter(|image| canonical(&image.record.resolved.reference) == name);
    let none = || {
        CliError::Usage(format!(
            "image {image} is not here: vks image list shows those that are"
        ))
    };
    found.next().ok_or_else(none)
}

async fn pull(image: &ImageRef, context: &Context) -> Result<(), CliError> {
    let reference = reference(image, &context.settings)?;
    // There is nothing to fetch, and so nobody else who would say it.
    if let ImageRef::Dir(path) = &reference
        && !std::path::Path::new(path).is_dir()
    {
        return Err(CliError::Usage(format!(
            "image {image}: there is no directory {path}"
        )));
    }
    let request = Request {
        reference,
        fresh: true,
        credentials: Vec::new(),
        access: None,
    };
    Dir::create(&context.settings.layout.run)
        .and_then(|dir| dir.create_sub("fetch", 0o700))
        .map_err(CliError::File)?;
    let settings = context.settings.clone();
    let fetched = blocking(move || fetch::run(&request, &settings)).await?;
    match fetched {
        Fetched::Here { record, .. } => context.print(&format!("{}\n", record.resolved.id)),
        Fetched::Failed { message, .. } => Err(CliError::Usage(message)),
    }
}

async fn remove(image: Image, context: &Context) -> Result<(), CliError> {
    let name = image.record.resolved.reference.clone();
    let settings = context.settings.clone();
    blocking(move || keep::remove(&image, &settings)).await?;
    context.print(&format!("{name} removed\n"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, CliError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| super::view::ViewError::Interrupted)?;
    done.map_err(CliError::Image)
}
