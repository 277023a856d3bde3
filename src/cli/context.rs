//! What every verb gets: settings, namespace and a way to speak.

use super::error::CliError;
use crate::config::Settings;
use crate::model::name::Namespace;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;

/// How a verb ended, short of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// It has already said what is wrong; or it passes on the exit code of a program.
    Code(u8),
}

/// What every verb gets.
#[derive(Debug, Clone)]
pub struct Context {
    /// vks' own settings.
    pub settings: Settings,
    /// `--namespace`, or `default`.
    pub namespace: Namespace,
    /// `--root`: where settings lie below.
    pub root: PathBuf,
}

/// Writes text to standard output, at once.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(CliError::Output)
}

impl Context {
    /// Writes text to standard output, at once.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        print(text)
    }

    /// Writes a line to standard error. Where even that is closed, there is nobody to tell.
    pub fn tell(&self, line: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
