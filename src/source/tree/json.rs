//! JSON (RFC 8259), strictly, with line numbers.

use super::{Builder, Forest, Node, Stop, Table, Value};

/// Reads a file that holds one JSON value.
pub fn read(text: &str) -> Forest {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        text,
        at: 0,
        line: 1,
        builder: Builder::new(),
    };
    let document = reader.document();
    Forest {
        documents: document.into_iter().collect(),
        faults: reader.builder.faults,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: usize,
    builder: Builder,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, Stop> {
        self.space();
        if self.at == self.bytes.len() {
            return self.wrong("the file is empty: write an object in braces, or remove the file");
        }
        let node = self.value(0)?;
        self.space();
        if self.at < self.bytes.len() {
            return self.wrong(
                "there is text after the end of the object: put several objects into one list",
            );
        }
        Ok(node)
    }

    fn wrong<T>(&mut self, message: &str) -> Result<T, Stop> {
        self.builder.fault(self.line, message);
        Err(Stop)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek() {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        let line = self.line;
        self.builder.pay(line, 1, 0)?;
        let value = match self.peek() {
            Some(b'{') => self.table(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word()?,
            _ => return self.wrong("expected a JSON value here: a string, a number, true, false, null, a list or an object"),
        };
        Ok(Node { line, value })
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|b| !b.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let value = match rest.get(..length).unwrap_or_default() {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            b"null" => Value::Null,
            _ => return self.wrong("unknown word: put text in double quotes"),
        };
        self.at += length;
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        self.builder.depth(self.line, depth)?;
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Seq(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.wrong("expected ',' or ']' in this list"),
            }
        }
        self.at += 1;
        Ok(Value::Seq(items))
    }

    fn table(&mut self, depth: usize) -> Result<Value, Stop> {
        self.builder.depth(self.line, depth)?;
        self.at += 1;
        let mut table = Table::default();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(table.entries));
        }
        loop {
            self.space();
            let line = self.line;
            if self.peek() != Some(b'"') {
                return self.wrong("expected a key in double quotes");
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return self.wrong("expected ':' after the key");
            }
            self.at += 1;
            self.space();
            let node = self.value(depth + 1)?;
            if table.claim(&mut self.builder, &key, line) {
                table.push(key, line, node);
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.wrong("expected ',' or '}' in this object"),
            }
        }
        self.at += 1;
        Ok(Value::Map(table.entries))
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let number = rest.get(..length).unwrap_or_default();
        self.at += length;
        match json_number(number) {
            Ok(value) => Ok(value),
            Err(message) => self.wrong(message),
        }
    }

    fn string(&mut self) -> Result<String, Stop> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = rest
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .unwrap_or(rest.len());
            out.push_str(rest.get(..length).unwrap_or_default());
            self.at += length;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return self.wrong(
                        "a string holds a control character: write line breaks as \\n and tabs as \\t",
                    );
                }
                None => return self.wrong("the file ends inside a string: close it with '\"'"),
            }
        }
        self.at += 1;
        self.builder.text(self.line, out)
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let kind = self.bytes.get(self.at + 1).copied();
        self.at += 2;
        let c = match kind {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.wrong("unknown escape in a string: write a backslash as \\\\"),
        };
        Ok(c)
    }

    /// The four digits of `\u`, and of a second `\u` for the characters that need two.
    fn unicode(&mut self) -> Result<char, Stop> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                let pair = self.bytes.get(self.at..self.at + 2) == Some(b"\\u".as_slice());
                self.at += 2;
                let second = if pair { self.hex()? } else { 0 };
                match second {
                    0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => first,
                }
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => self.wrong("a \\u escape is half of a pair: write both halves"),
        }
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let good = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        self.at += 4;
        match u32::from_str_radix(digits, 16) {
            Ok(code) if good => Ok(code),
            _ => self.wrong("a \\u escape needs four hexadecimal digits"),
        }
    }
}

/// A number by JSON's grammar.
fn json_number(text: &str) -> Result<Value, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if leading_zero {
        return Err("a number begins with 0: remove the zero, or put the value in quotes");
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse()
            .map(Value::Int)
            .map_err(|_| "a number is too large: it must fit in 64 bits");
    }
    let (mantissa, exponent) = digits
        .split_once(['e', 'E'])
        .map_or((digits, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa
        .split_once('.')
        .map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let good = all(whole)
        && fraction.is_none_or(all)
        && exponent.is_none_or(|e| all(e.strip_prefix(['+', '-']).unwrap_or(e)));
    match text.parse::<f64>() {
        Ok(number) if good && number.is_finite() => Ok(Value::Float(number)),
        Ok(_) if good => Err("a number is too large"),
        _ => Err("not a number by JSON's rules: put text in double quotes"),
    }
}
