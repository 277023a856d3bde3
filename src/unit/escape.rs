//! How text goes into unit names and unit files without systemd reading more into it than it says.

use std::fmt::Write as _;

/// A part of a unit name by the rules of systemd-escape(1), with `.`, `:` and `_` escaped too, so that
/// parts can be joined by those three and by `-` without two names ever becoming one.
pub fn name_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            push_hex(&mut out, byte);
        }
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

/// A word in double quotes for a list-like setting (`Environment=`, `BindPaths=`): C escapes, and `%` doubled.
/// systemd.syntax(7), "Quoting".
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    push_escaped(&mut out, text);
    out.push('"');
    out
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '%' => out.push_str("%%"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => {
                let mut bytes = [0; 1];
                c.encode_utf8(&mut bytes);
                push_hex(out, bytes[0]);
            }
            c => out.push(c),
        }
    }
}

/// A word for a list-like setting: bare when it has nothing to quote, else [`quoted`].
pub fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./,+@=:".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A command line for `ExecStart=` and its kin: `prefix` (such as `:` for "no `$` expansion",
/// systemd.service(5) "Command lines") and the program in the first word, then the arguments.
/// With `:` in the prefix, arguments reach the program letter by letter.
pub fn command_line<'a>(prefix: &str, argv: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = argv.into_iter();
    let program = words.next().unwrap_or_default();
    let mut line = word(&format!("{prefix}{program}"));
    for argument in words {
        line.push(' ');
        line.push_str(&word(argument));
    }
    line
}

/// A path for a setting that splits its value at colons (`BindPaths=`): colons and quotes escaped.
pub fn bind_path(path: &str) -> String {
    // The list is split into words first (which takes one level of backslashes away), then at colons.
    let inner = path.replace('\\', "\\\\").replace(':', "\\:");
    word(&inner)
}

/// A value that systemd takes whole, apart from specifiers: `%` doubled.
pub fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One line for a key that only vks reads: `%`, line breaks, and white space or a backslash at either end
/// (which a reader of unit files would take away) become `%XX`.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (index, c) in text.char_indices() {
        let at_an_end = index == 0 || index == last;
        match c {
            '%' | '\n' | '\r' => push_percent(&mut out, c),
            '\\' | ' ' | '\t' | '\x0c' if at_an_end => push_percent(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

fn push_percent(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "%{:02X}", u32::from(c));
}

/// The inverse of [`one_line`]. A `%` that begins no escape stands for itself.
pub fn from_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// A line of an `EnvironmentFile=`: the value in double quotes, where a backslash hides `"`, `\`, `` ` `` and `$`
/// and everything else, line breaks included, stands for itself (systemd.exec(5), "EnvironmentFile=").
pub fn environment_file_line(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 4);
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\"\n");
    out
}
