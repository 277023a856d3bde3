//! Entries as lines on standard output.

use super::choose::Run;
use super::stream::{self, Portion};
use super::{Args, LogsError};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::view::Host;
use crate::host::log::lines::Lines;
use futures_util::future::try_join_all;
use std::io::{self, Write};
use tokio::sync::mpsc::{self, Receiver};

/// Portions that may wait for the printer.
const WAITING: usize = 4;

/// Prints the runs: one after the other, or all at the same time when they are followed.
pub async fn all(args: &Args, _: &Context, host: &Host, runs: Vec<Run>) -> Result<(), CliError> {
    let mut lines: Vec<Lines> = runs.iter().map(|run| lines(args, run)).collect();
    let (sender, receiver) = mpsc::channel(WAITING);
    let produce = async move {
        let streams = runs.iter().enumerate();
        let streams = streams.map(|run| stream::read(args, host, run, &sender));
        if args.follow {
            try_join_all(streams).await?;
        } else {
            for stream in streams {
                stream.await?;
            }
        }
        Ok::<(), LogsError>(())
    };
    let consume = print(&mut lines, receiver);
    tokio::pin!(consume);
    tokio::select! {
        printed = &mut consume => printed.map_err(CliError::Output),
        produced = produce => {
            consume.await.map_err(CliError::Output)?;
            Ok(produced?)
        }
    }
}

fn lines(args: &Args, run: &Run) -> Lines {
    let prefix = match args.prefix {
        true => format!("[pod/{}/{}] ", run.pod.name, run.container),
        false => String::new(),
    };
    Lines::new(prefix, args.timestamps, args.limit_bytes)
}

/// Prints until there is no more, or no more may be printed.
async fn print(lines: &mut [Lines], mut receiver: Receiver<Portion>) -> io::Result<()> {
    let mut out = io::stdout();
    while !lines.iter().all(Lines::is_full) {
        let Some((place, entries)) = receiver.recv().await else {
            break;
        };
        if let Some(lines) = lines.get_mut(place) {
            out.write_all(&lines.text(&entries))?;
            out.flush()?;
        }
    }
    Ok(())
}
