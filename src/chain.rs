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
    // A cause may have parts of what others wrote, such as a damaged archive: nothing of that moves a terminal's cursor.
    text.replace(
        |c: char| c.is_control() && c != '\n' && c != '\t',
        "\u{fffd}",
    )
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

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_joined_in_order() {
        let inner = std::io::Error::other("\u{1b}[31mred\u{7}");
        let told = line(&Outer(inner));
        assert_eq!(told, "outer: \u{fffd}[31mred\u{fffd}");
        let inner = std::io::Error::other("inner");
        assert_eq!(line(&Outer(inner)), "outer: inner");
    }

    #[test]
    fn causes_follow_once() {
        let odd = Sample::Door(std::io::Error::other("\u{1b}[2J\ttab"));
        assert_eq!(line(&odd), "open the door: \u{fffd}[2J\ttab");
        let error = Sample::Wrapped(Box::new(Sample::Door(std::io::Error::other("no key"))));
        assert_eq!(line(&error), "open the door: no key");
    }
}
