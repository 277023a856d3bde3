//! The figures that vks promises, measured: see README.md beside this file.
//!
//! One program with two halves. Outside, it boots a throwaway machine for each figure and runs itself in it
//! (`--inside`). Inside, it drives `vks` and `systemctl` as a user would and reads clocks and /proc itself.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "what cannot be measured ends the program; it waits by the clock because it measures by the clock"
)]

mod figures;
mod inside;
mod kills;
mod machine;
mod report;

use std::process::ExitCode;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Fewer rounds and pods: shows that everything works, the figures are rough.
    pub short: bool,
}

impl Effort {
    /// One of two numbers.
    pub fn of(self, long: usize, short: usize) -> usize {
        if self.short { short } else { long }
    }
}

const USAGE: &str = "\
usage: integration/bench/run [--short] [FIGURE...]
       integration/bench/storm [KILLS [SEED]]

Figures: burst beside memory idle exit restart images services wiring (default: all of them). Needs root and systemd-nspawn.
Exit status 1 when a target is missed.";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo adds by itself.
    arguments.retain(|argument| argument != "--bench");
    let mut take = |flag: &str| {
        let before = arguments.len();
        arguments.retain(|argument| argument != flag);
        arguments.len() < before
    };
    let effort = Effort {
        short: take("--short"),
    };
    let (inside, help) = (take("--inside"), take("--help"));
    let storm = arguments.first().is_some_and(|name| name == "storm");
    let known = |name: &String| figures::ALL.iter().any(|(known, _)| known == name);
    if help || !(storm || arguments.iter().all(known)) {
        println!("{USAGE}");
        return ExitCode::from(if help { 0 } else { 2 });
    }
    if arguments.is_empty() {
        arguments.extend(figures::ALL.iter().map(|(name, _)| (*name).to_owned()));
    }
    let ok = match (inside, storm) {
        (false, true) => machine::run_inside("storm", &arguments),
        (true, true) => kills::storm(&arguments[1..]),
        (false, false) => outside(&arguments, effort),
        (true, false) => arguments.iter().all(|name| figures::run(name, effort)),
    };
    ExitCode::from(u8::from(!ok))
}

/// Each figure on a machine of its own, one after the other: they would disturb each other.
fn outside(names: &[String], effort: Effort) -> bool {
    let mut ok = true;
    for name in names {
        let mut arguments = vec![name.clone()];
        if effort.short {
            arguments.push("--short".to_owned());
        }
        ok &= machine::run_inside(name, &arguments);
    }
    ok
}
