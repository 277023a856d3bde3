//! Prometheus' text format (0.0.4).

use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A page: families of samples, by their name.
#[derive(Debug, Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug, Default)]
struct Family {
    kind: &'static str,
    help: &'static str,
    samples: String,
}

/// It only grows.
pub const COUNTER: &str = "counter";
/// It goes up and down.
pub const GAUGE: &str = "gauge";

impl Page {
    /// A family, even if nothing is in it.
    pub fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) {
        let family = self.families.entry(name).or_default();
        (family.kind, family.help) = (kind, help);
    }

    /// A sample of a family.
    pub fn sample(
        &mut self,
        name: &'static str,
        labels: &[(&str, &str)],
        value: f64,
        time: Option<Timestamp>,
    ) {
        let family = self.families.entry(name).or_default();
        let samples = &mut family.samples;
        samples.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            samples.push(if place == 0 { '{' } else { ',' });
            let _ = write!(samples, "{label}=\"{}\"", escape(text));
        }
        if !labels.is_empty() {
            samples.push('}');
        }
        let _ = write!(samples, " {value}");
        if let Some(time) = time {
            let _ = write!(samples, " {}", time.micros() / 1000);
        }
        samples.push('\n');
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.families {
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} {}", family.kind);
            text.push_str(&family.samples);
        }
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_prometheus_text() {
        let mut page = Page::default();
        page.family("a_total", COUNTER, "So many");
        page.sample(
            "a_total",
            &[("x", "q\"\\\n"), ("y", "1")],
            1.5,
            Timestamp::from_micros(2_000_000),
        );
        page.sample("a_total", &[], 3.0, None);
        let expected = "# HELP a_total So many\n# TYPE a_total counter\na_total{x=\"q\\\"\\\\\\n\",y=\"1\"} 1.5 2000\na_total 3\n";
        assert_eq!(page.text(), expected);
    }
}
