//! Rules for text that several decoders share.

use super::field::Field;

/// An absolute path without `..`, with repeated slashes, `.` and a final slash taken away.
pub fn absolute_path(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    if !text.starts_with('/') {
        field.problem("must be an absolute path: begin with '/'");
        return None;
    }
    if text.len() > 4095 {
        field.problem("is longer than 4095 bytes: use a shorter path");
        return None;
    }
    if text.split('/').any(|part| part == "..") {
        field.problem("must not contain '..': write the path without it");
        return None;
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    Some(format!("/{}", parts.join("/")))
}

/// The name of an environment variable.
///
/// The API takes any printable ASCII but '='; systemd, which sets the environment, passes on only these
/// and would drop the others in silence.
pub fn env_name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let good = !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if text.is_empty() {
        field.problem("is empty: name the variable");
        return None;
    }
    if !good {
        field.problem(
            "must be letters, digits and '_', not beginning with a digit: systemd sets no other variables",
        );
        return None;
    }
    Some(text.to_owned())
}

/// A key of a config map or secret; also a file name.
pub fn data_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() || key.len() > 253 {
        return Err("a key must be 1 to 253 characters long: shorten it");
    }
    if !key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    {
        return Err("a key must be letters, digits, '-', '_' and '.': rename it");
    }
    if key == "." || key.starts_with("..") {
        return Err("a key must not be '.' nor begin with '..': rename it");
    }
    Ok(())
}

/// The name of a port (an IANA service name).
pub fn port_name(text: &str) -> Result<(), &'static str> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = (1..=15).contains(&text.len())
        && text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if good {
        Ok(())
    } else {
        Err(
            "a port's name must be 1 to 15 lower-case letters, digits and single '-' \
             with at least one letter",
        )
    }
}
