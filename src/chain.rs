//! An error and its causes in one line.

use std::error::Error;
use std::fmt::Write;

/// `a: b: c` for an error `a` caused by `b` caused by `c`. A cause whose text its error has already told
/// (transparent wrappers) is left out.
pub fn line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if told != last {
            let _ = write!(text, ": {told}");
            last = told;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("open the door")]
        Door(#[source] std::io::Error),
        #[error(transparent)]
        Wrapped(Box<Sample>),
    }

    #[test]
    fn causes_follow_once() {
        let error = Sample::Wrapped(Box::new(Sample::Door(std::io::Error::other("no key"))));
        assert_eq!(line(&error), "open the door: no key");
    }
}
