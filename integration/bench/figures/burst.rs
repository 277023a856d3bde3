//! Many pods at once, against `systemctl start` of as many units written by hand.

use crate::Effort;
use crate::inside::{
    self, apply, delete, manifest, names, run, settle, start_agent, stop_agent, time,
};
use crate::report::{Figure, Target, list, median};
use std::time::Duration;

/// Not less than this part of systemd's own rate.
const TARGET: f64 = 0.8;

pub fn measure(effort: Effort) -> bool {
    let (count, rounds) = (effort.of(300, 60), effort.of(5, 1));
    let pods = names("burst", count);
    let file = manifest("burst", &pods);
    let peers = Peers::write(count);
    let (mut peer, mut with, mut without, mut bare) = (vec![], vec![], vec![], vec![]);
    start_agent();
    for _ in 0..rounds {
        peer.push(peers.start());
        with.push(apply(&file));
        settle();
        delete(&file, &pods);
        peer.push(peers.start());
        stop_agent();
        without.push(apply(&file));
        bare.push(same_units(&pods));
        delete(&file, &pods);
        start_agent();
        settle();
    }
    println!("  systemctl start of {count} units: {}", list(&peer));
    println!("  vks apply with agent: {}", list(&with));
    println!("  vks apply without: {}", list(&without));
    println!("  systemctl start of the units vks wrote: {}", list(&bare));
    let line = |name: &str, ours: &[Duration], target| {
        let rate = |times: &[Duration]| count as f64 / median(times).as_secs_f64();
        Figure {
            name: format!("burst of {count}, {name}"),
            ours: rate(ours),
            peer: Some(rate(&peer)),
            unit: "pods/s",
            target,
        }
        .print()
    };
    line("systemd alone with vks' units", &bare, Target::None);
    let with = line("with agent", &with, Target::AtLeast(TARGET));
    let without = line("without agent", &without, Target::AtLeast(TARGET));
    with && without
}

/// The pods' units stopped and started again by systemctl: what is left to vks itself is the difference to this.
fn same_units(pods: &[String]) -> Duration {
    run("systemctl", &["stop", "vks-default.slice"]);
    let mut units = vec!["start".to_owned()];
    units.extend(pods.iter().map(|pod| format!("vks-default-{pod}.target")));
    units.extend(pods.iter().map(|pod| inside::unit(pod)));
    time("systemctl", &units)
}

/// Units as one would write them.
struct Peers(Vec<String>);

impl Peers {
    fn write(count: usize) -> Self {
        let units = names("peer", count);
        let units: Vec<String> = units.iter().map(|name| format!("{name}.service")).collect();
        for unit in &units {
            let text = "[Service]\nType=exec\nExecStart=/usr/bin/sleep infinity\n";
            std::fs::write(format!("/etc/systemd/system/{unit}"), text).expect("a unit");
        }
        run("systemctl", &["daemon-reload"]);
        Self(units)
    }

    /// Starts them all, and stops them again; the time of the start.
    fn start(&self) -> Duration {
        let arguments = |verb: &str| -> Vec<String> {
            let units = self.0.iter().cloned();
            [verb.to_owned()].into_iter().chain(units).collect()
        };
        let took = time("systemctl", &arguments("start"));
        run("systemctl", &arguments("stop"));
        took
    }
}
