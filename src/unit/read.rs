//! Unit text to [`UnitFile`]: the syntax of systemd.syntax(7), with line numbers in errors.

use super::{Section, UnitFile};

/// The longest unit file that is read. systemd's own limit for one line is 1 MiB.
pub const MAX_BYTES: usize = 4 << 20;

/// Why a unit file was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Larger than [`MAX_BYTES`].
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// An assignment before the first section.
    #[error("line {0}: an assignment before the first section")]
    NoSection(usize),
    /// A section header without its bracket.
    #[error("line {0}: a section header must end with ']'")]
    Header(usize),
    /// Neither comment, header nor assignment.
    #[error("line {0}: expected KEY=VALUE")]
    Assignment(usize),
}

/// Reads unit text. Comments are dropped, except those before the first section, which are the header.
pub fn read(text: &str) -> Result<UnitFile, ReadError> {
    if text.len() > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    let mut file = UnitFile::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix(['#', ';']) {
            if file.sections.is_empty() {
                file.header.push(comment.trim_ascii().to_owned());
            }
            continue;
        }
        let line = continued(line, &mut lines);
        add_line(&mut file, line.trim_ascii(), index + 1)?;
    }
    Ok(file)
}

/// Joins lines that end in a backslash with those that follow, each joint a space; comments between are skipped.
/// A backslash that another one escapes does not count.
fn continued<'a>(first: &str, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut whole = String::new();
    let mut line = first;
    loop {
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        let Some(start) = line.strip_suffix('\\').filter(|_| backslashes % 2 == 1) else {
            whole.push_str(line);
            return whole;
        };
        whole.push_str(start);
        whole.push(' ');
        let mut comments_skipped = lines
            .by_ref()
            .map(|(_, next)| next.trim_ascii())
            .skip_while(|next| next.starts_with(['#', ';']));
        match comments_skipped.next() {
            Some(next) => line = next,
            None => return whole,
        }
    }
}

fn add_line(file: &mut UnitFile, line: &str, number: usize) -> Result<(), ReadError> {
    if let Some(rest) = line.strip_prefix('[') {
        let name = rest.strip_suffix(']').ok_or(ReadError::Header(number))?;
        file.sections.push(Section {
            name: name.to_owned(),
            entries: Vec::new(),
        });
        return Ok(());
    }
    let (key, value) = line.split_once('=').ok_or(ReadError::Assignment(number))?;
    let section = file
        .sections
        .last_mut()
        .ok_or(ReadError::NoSection(number))?;
    section.entries.push((
        key.trim_ascii_end().to_owned(),
        value.trim_ascii_start().to_owned(),
    ));
    Ok(())
}
