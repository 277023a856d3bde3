//! Just enough of Rust's grammar to see who uses whom: text to tokens, tokens to the paths in them.
//!
//! Comments and literals are left out, and so is everything under `#[cfg(test)]`.

/// A word, `::`, or a sign, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Counted from 1.
    pub line: usize,
    /// The word or sign.
    pub text: String,
}

/// A path such as `crate::model::name`, from a `use` or from the midst of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Counted from 1.
    pub line: usize,
    /// Its parts; `super` and `self` already resolved to `crate::...`.
    pub parts: Vec<String>,
}

/// Splits a source text into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        let length = match bytes[at] {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            b'"' => quoted(rest, 1),
            b'\'' => quote_or_lifetime(rest),
            byte if is_word(byte) => word(rest, line, &mut out),
            _ if rest.starts_with("::") => push(&mut out, line, "::"),
            byte if byte.is_ascii_whitespace() => 1,
            byte if byte.is_ascii() => push(&mut out, line, &rest[..1]),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    out
}

fn push(out: &mut Vec<Token>, line: usize, text: &str) -> usize {
    let text = text.to_owned();
    let length = text.len();
    out.push(Token { line, text });
    length
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A word, or a literal that begins like one: `r"…"`, `r#"…"#`, `b"…"`, `b'…'`.
fn word(rest: &str, line: usize, out: &mut Vec<Token>) -> usize {
    let end = rest.bytes().position(|b| !is_word(b)).unwrap_or(rest.len());
    let after = &rest[end..];
    let hashes = after.bytes().take_while(|&b| b == b'#').count();
    let raw = matches!(&rest[..end], "r" | "br" | "cr");
    if raw && after[hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        let body = end + hashes + 1;
        return rest[body..]
            .find(&close)
            .map_or(rest.len(), |found| body + found + close.len());
    }
    if matches!(&rest[..end], "b" | "c") && after.starts_with(['"', '\'']) {
        return quoted(rest, end + 1);
    }
    push(out, line, &rest[..end])
}

/// The length of a literal whose body begins at `from`, right after the quote that opens and closes it.
fn quoted(rest: &str, from: usize) -> usize {
    let bytes = rest.as_bytes();
    let quote = bytes[from - 1];
    let mut at = from;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `'a'` is a literal, `'a` is not.
fn quote_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => quoted(rest, 1),
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let step = match here {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Leaves out every item under `#[cfg(test)]`. Also gives the names of modules in other files that are.
pub fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let marked = |at: usize| {
        MARK.iter()
            .enumerate()
            .all(|(i, sign)| tokens.get(at + i).is_some_and(|t| t.text == *sign))
    };
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if !marked(at) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = item_end(&tokens, at + MARK.len());
        let item: Vec<&str> = tokens[at + MARK.len()..end]
            .iter()
            .map(|t| t.text.as_str())
            .collect();
        if let Some(place) = item.iter().position(|word| *word == "mod")
            && item.last() == Some(&";")
        {
            modules.extend(item.get(place + 1).map(|name| (*name).to_owned()));
        }
        at = end;
    }
    (kept, modules)
}

/// One past an item: its `;`, or the brace that closes its body.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// All paths of a file whose module is `module` (`["plan", "units"]`).
pub fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let mut walk = Walk {
        tokens,
        at: 0,
        out: Vec::new(),
    };
    // Inline modules that are open, with the depth of braces that closes each.
    let (mut here, mut open, mut depth) = (module.to_vec(), Vec::new(), 0usize);
    while walk.at < tokens.len() {
        let text = walk.text(0);
        match text {
            "mod" if walk.text(2) == "{" => {
                here.push(walk.text(1).to_owned());
                open.push(depth);
                depth += 1;
                walk.at += 3;
            }
            "use" => {
                walk.at += 1;
                walk.tree(&[], &here);
            }
            "{" => {
                depth += 1;
                walk.at += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if open.last() == Some(&depth) {
                    open.pop();
                    here.pop();
                }
                walk.at += 1;
            }
            _ if walk.text(1) == "::" && text != "::" && walk.before() != "::" => {
                walk.tree(&[], &here)
            }
            _ => walk.at += 1,
        }
    }
    walk.out
}

struct Walk<'a> {
    tokens: &'a [Token],
    at: usize,
    out: Vec<Path>,
}

impl Walk<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| &token.text)
    }

    fn before(&self) -> &str {
        self.at
            .checked_sub(1)
            .map_or("", |at| &self.tokens[at].text)
    }

    /// A path with its branches, `a::{b, c::d}`, each added to the output as a path of its own.
    fn tree(&mut self, start: &[String], here: &[String]) {
        let mut parts = start.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" if self.before() == "::" || parts.is_empty() && start.is_empty() => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        if self.text(0) == "," {
                            self.at += 1;
                        } else {
                            self.tree(&parts, here);
                        }
                    }
                    self.at += 1;
                    return;
                }
                word if word.bytes().next().is_some_and(is_word) || word == "*" => {
                    let word = word.to_owned();
                    if self.before() != "::" && parts.len() > start.len() {
                        // `as name`, or whatever follows the path.
                        break;
                    }
                    parts.push(word);
                    self.at += 1;
                    if self.text(0) == "as" {
                        self.at += 2;
                        break;
                    }
                }
                _ => break,
            }
        }
        if parts.len() == start.len() {
            // Nothing that belongs to a path: do not stand still.
            self.at += 1;
            return;
        }
        self.out.push(Path {
            line,
            parts: resolved(parts, here),
        });
    }
}

/// `super` and `self` at the start, seen from the module `here`.
fn resolved(parts: Vec<String>, here: &[String]) -> Vec<String> {
    let up = parts.iter().take_while(|part| *part == "super").count();
    let own = parts.first().is_some_and(|part| part == "self");
    if up == 0 && !own {
        return parts;
    }
    let stem = here[..here.len().saturating_sub(up)].iter().cloned();
    std::iter::once("crate".to_owned())
        .chain(stem)
        .chain(parts.into_iter().skip(up.max(1)))
        .collect()
}
