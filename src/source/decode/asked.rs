//! For tests: which fields the decoders have asked for, so that the table of fields can be held against them.

use std::cell::RefCell;

/// A path without its top, and the fields asked for there.
pub type Asked = (String, Vec<&'static str>);

thread_local! {
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

/// Notes what was asked of the table at a path.
pub fn note(path: &str, fields: &[&'static str]) {
    ASKED.with_borrow_mut(|asked| asked.push((path.to_owned(), fields.to_vec())));
}

/// Takes what was noted on this thread since the last time.
pub fn taken() -> Vec<Asked> {
    ASKED.take()
}
