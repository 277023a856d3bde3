//! Manifests named on the command line.

use super::context::Context;
use super::error::CliError;
use crate::config::file::{ReadError, read};
use crate::model::desired::{Desired, Problem};
use crate::source::tree::{Format, MAX_FILE};
use crate::source::{Directories, ParsedFile, format_of, images, merge, parse_as};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why a file named on the command line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// The directory.
    #[error("cannot read {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A directory with nothing that could be a manifest in it.
    #[error("{0}: no manifest there: they end in .toml, .yaml, .yml or .json")]
    Empty(PathBuf),
}

/// A manifest file as it was read.
pub struct Text {
    /// Its name, `-` for standard input.
    pub path: PathBuf,
    /// Its format, by its name; YAML, of which JSON is a part, where the name does not tell.
    pub format: Format,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Text {
    /// What it says.
    pub fn parse(&self) -> ParsedFile {
        parse_as(self.format, &self.path, &self.bytes)
    }
}

/// Reads files, the manifests in directories, and for `-` standard input.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<Text>, CliError> {
    let mut out = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let input = std::io::stdin()
                .lock()
                .take(MAX_FILE + 1)
                .read_to_end(&mut bytes);
            input.map_err(|source| ManifestError::Directory {
                path: path.clone(),
                source,
            })?;
            out.push(Text {
                path: "(standard input)".into(),
                format: Format::Yaml,
                bytes,
            });
        } else if path.is_dir() {
            let files = listed(path)?;
            for file in files {
                out.push(text(file)?);
            }
        } else {
            out.push(text(path.clone())?);
        }
    }
    Ok(out)
}

fn listed(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |source| ManifestError::Directory {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if format_of(&file).is_some() && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(ManifestError::Empty(path.to_owned()));
    }
    files.sort();
    Ok(files)
}

fn text(path: PathBuf) -> Result<Text, ManifestError> {
    let bytes = read(&path, MAX_FILE);
    let bytes = bytes.map_err(|source| ManifestError::File {
        path: path.clone(),
        source,
    })?;
    Ok(Text {
        format: format_of(&path).unwrap_or(Format::Yaml),
        path,
        bytes,
    })
}

/// What all configured directories want.
pub fn configured(context: &Context) -> Directories {
    let images = context.settings.layout.pod_images();
    let mut sources = Directories::new(context.settings.manifest_dirs()).with_images(images);
    sources.load();
    sources
}

/// What some files want by themselves, or the configured directories when none are named.
pub fn desired(paths: &[PathBuf], context: &Context) -> Result<Desired, CliError> {
    if paths.is_empty() {
        return Ok(configured(context).desired().clone());
    }
    let mut desired = merge(texts(paths)?.iter().map(Text::parse), []);
    desired.images = images::read_all(&context.settings.layout.pod_images());
    Ok(desired)
}

/// Says every problem; whether there is any.
pub fn tell_problems(problems: &[Problem], context: &Context) -> bool {
    for problem in problems {
        context.tell(problem);
    }
    !problems.is_empty()
}
