//! Where the problems of one file are collected.

use crate::model::desired::Problem;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Problems beyond this number are counted, not kept.
const MAX_PROBLEMS: usize = 1_000;
/// Longer texts (because of a huge key or name in them) are cut, in bytes.
const MAX_TEXT: usize = 1_000;

fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// The problems of one file. Decoding never stops at the first: whoever finds something wrong adds it here.
pub struct Report {
    file: PathBuf,
    problems: RefCell<Vec<Problem>>,
    more: RefCell<usize>,
}

impl Report {
    /// An empty report on a file.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: RefCell::default(),
            more: RefCell::default(),
        }
    }

    /// Adds a problem. The message must not contain the value of a secret.
    pub fn add(&self, line: usize, field: &str, message: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() >= MAX_PROBLEMS {
            *self.more.borrow_mut() += 1;
            return;
        }
        problems.push(Problem {
            file: self.file.clone(),
            line,
            field: shortened(field.to_owned()),
            message: shortened(message.into()),
        });
    }

    /// The file reported on.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many problems there are so far.
    pub fn count(&self) -> usize {
        self.problems.borrow().len() + *self.more.borrow()
    }

    /// The problems in the order of the file.
    pub fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        let more = self.more.into_inner();
        if more > 0 {
            problems.push(Problem {
                file: self.file,
                line: 0,
                field: String::new(),
                message: format!("{more} more problems: correct the ones above first"),
            });
        }
        problems
    }
}
