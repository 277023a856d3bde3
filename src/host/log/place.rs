//! Where an entry stands in the journal.

/// A place, by the journal's own name for it. Beginnings of all entries come in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// journalctl's cursor.
    pub cursor: Box<str>,
}

impl Place {
    /// By a cursor.
    pub fn new(cursor: &str) -> Self {
        Self {
            cursor: cursor.into(),
        }
    }

    /// Whether this entry was written after another one. Numbers of one sequence tell exactly; where there were two (two
    /// machines, or a journal that was begun anew), the time does.
    pub fn is_after(&self, other: &Self) -> bool {
        if self.field("s=") == other.field("s=") {
            return self.number("i=") > other.number("i=");
        }
        self.number("t=") > other.number("t=")
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.cursor.split(';');
        fields.find_map(|field| field.strip_prefix(name))
    }

    fn number(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.field(name)?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_an_order() {
        let place = Place::new;
        let first = place("s=aa;i=9;b=bb;m=1;t=64;x=1");
        let second = place("s=aa;i=a;b=bb;m=0;t=63;x=1");
        assert!(second.is_after(&first));
        assert!(!first.is_after(&second));
        assert!(!first.is_after(&first));
        let other = place("s=cc;i=1;b=bb;m=0;t=65;x=1");
        assert!(other.is_after(&first));
        assert!(!first.is_after(&other));
    }
}
