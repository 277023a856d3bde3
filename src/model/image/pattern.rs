//! Patterns of image names: a `*` is any text, all else is itself.

/// The pattern of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; `None` when it is empty or has white space or control characters.
    pub fn new(text: &str) -> Option<Self> {
        let good = |c: char| !c.is_whitespace() && !c.is_control();
        (!text.is_empty() && text.chars().all(good)).then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the first `*` stands for in a name that matches, as little as can be; empty without one. `None` when the
    /// name does not match.
    pub fn matches<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Some((start, rest)) = self.0.split_once('*') else {
            return (self.0 == name).then_some("");
        };
        let name = name.strip_prefix(start)?;
        let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
        let mut ends = ends.filter(|&end| tail_matches(rest, &name[end..]));
        ends.next().map(|end| &name[..end])
    }

    /// How much of a name it fixes: of several that match, the one that fixes most is meant.
    pub fn weight(&self) -> (bool, usize) {
        let stars = self.0.matches('*').count();
        (stars == 0, self.0.len() - stars)
    }
}

/// Whether the rest of a pattern is the rest of a name. Each further `*` takes as little as it can, which is enough
/// where every joint is fixed text.
fn tail_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return name.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        let cases = [
            ("nginx", "nginx", Some("")),
            ("nginx", "nginx2", None),
            (
                "docker.io/library/*",
                "docker.io/library/nginx:1",
                Some("nginx:1"),
            ),
            (
                "*/nginx:*",
                "docker.io/library/nginx:1",
                Some("docker.io/library"),
            ),
            ("a*b*c", "axxbyyc", Some("xx")),
            ("a*b*c", "axxbyy", None),
            ("*", "", Some("")),
        ];
        for (pattern, name, found) in cases {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(name),
                found,
                "{pattern} {name}"
            );
        }
        assert!(Pattern::new("").is_none() && Pattern::new("a b").is_none());
    }
}
