//! A figure against its target, as one line.

use std::fmt;
use std::time::Duration;

/// What was measured, what it is compared with, and what it may be.
#[derive(Debug, Clone)]
pub struct Figure {
    /// `burst, with agent`
    pub name: String,
    /// The measure of vks.
    pub ours: f64,
    /// The measure of the peer in the same run; without one, `ours` itself is held against the target.
    pub peer: Option<f64>,
    /// Of both measures.
    pub unit: &'static str,
    /// The bound on the ratio, or on `ours` where there is no peer.
    pub target: Target,
}

/// A bound.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown, and judged by nobody.
    None,
}

impl Figure {
    fn judged(&self) -> f64 {
        self.peer.map_or(self.ours, |peer| self.ours / peer)
    }

    fn ok(&self) -> bool {
        match self.target {
            Target::AtLeast(bound) => self.judged() >= bound,
            Target::AtMost(bound) => self.judged() <= bound,
            Target::None => true,
        }
    }

    /// Prints the line; whether the target is met.
    pub fn print(&self) -> bool {
        println!("{self}");
        self.ok()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit;
        write!(f, "{}: ours {} {unit}", self.name, short(self.ours))?;
        if let Some(peer) = self.peer {
            write!(
                f,
                ", peer {} {unit}, ratio {:.2}",
                short(peer),
                self.judged()
            )?;
        }
        let target = match self.target {
            Target::AtLeast(bound) => format!("at least {bound}"),
            Target::AtMost(bound) => format!("at most {bound}"),
            Target::None => return Ok(()),
        };
        let verdict = if self.ok() { "ok" } else { "MISSED" };
        write!(f, " (target {target}) {verdict}")
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The middle of several measurements.
pub fn median(values: &[Duration]) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// All of them, for people: `12.1 13.0 15.9 ms`.
pub fn list(values: &[Duration]) -> String {
    let texts: Vec<String> = values.iter().map(|value| short(ms(*value))).collect();
    format!("{} ms", texts.join(" "))
}

/// Milliseconds.
pub fn ms(value: Duration) -> f64 {
    value.as_secs_f64() * 1000.0
}
