//! Which containers, by the command line.

use super::Args;
use crate::cli::view::PodView;
use crate::model::log_run::names;
pub use crate::model::log_run::{ChooseError, Run, next_start, one, run};

/// The containers of a pod that are meant, and what to say when the choice was not the user's.
pub fn containers(
    pod: &PodView,
    args: &Args,
) -> Result<(Vec<String>, Option<String>), ChooseError> {
    if args.all_containers {
        return Ok((names(pod).into_iter().map(|(_, name)| name).collect(), None));
    }
    let (name, note) = one(pod, args.container())?;
    Ok((vec![name], note))
}

#[cfg(test)]
mod tests;
