//! Many pods at once, against `systemctl start` of as many units written by hand: the shortest there are, and such as
//! one would write for a service that is restarted and has its place in the tree of control groups, as a pod has.

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
    let peers = Peers::write("peer", count, "");
    let like_pods = Peers::write("full", count, LIKE_PODS);
    let (mut peer, mut with, mut without, mut bare) = (vec![], vec![], vec![], vec![]);
    let mut full = vec![];
    start_agent();
    for _ in 0..rounds {
        peer.push(peers.start());
        with.push(apply(&file));
        settle();
        delete(&file, &pods);
        full.push(like_pods.start());
        peer.push(peers.start());
        stop_agent();
        without.push(apply(&file));
        bare.push(same_units(&pods));
        delete(&file, &pods);
        start_agent();
        settle();
    }
    println!("  systemctl start of {count} units: {}", list(&peer));
    println!("  the same with a slice and restarts: {}", list(&full));
    println!("  vks apply with agent: {}", list(&with));
    println!("  vks apply without: {}", list(&without));
    println!("  systemctl start of the units vks wrote: {}", list(&bare));
    let line = |name: &str, ours: &[Duration], peer: &[Duration], target| {
        let rate = |times: &[Duration]| count as f64 / median(times).as_secs_f64();
        Figure {
            name: format!("burst of {count}, {name}"),
            ours: rate(ours),
            peer: Some(rate(peer)),
            unit: "pods/s",
            target,
        }
        .print()
    };
    line("systemd alone with vks' units", &bare, &peer, Target::None);
    line(
        "with agent, the peer has slices",
        &with,
        &full,
        Target::None,
    );
    let with = line("with agent", &with, &peer, Target::AtLeast(TARGET));
    let without = line("without agent", &without, &peer, Target::AtLeast(TARGET));
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

/// What a pod has beside its process.
const LIKE_PODS: &str = "Slice=peers-%N.slice\nRestart=always\nRestartSec=1s\nKillMode=mixed\nOOMPolicy=kill\n\
     ExecStopPost=+:/usr/bin/true\nTimeoutStopSec=30s\nOOMScoreAdjust=1000\nSyslogIdentifier=%N\n\
     LogRateLimitIntervalSec=1s\nLogRateLimitBurst=100000000\nLogExtraFields=UNIT_OF=%N\n";

/// Units as one would write them.
struct Peers(Vec<String>);

impl Peers {
    fn write(prefix: &str, count: usize, more: &str) -> Self {
        let units = names(prefix, count);
        let units: Vec<String> = units.iter().map(|name| format!("{name}.service")).collect();
        for unit in &units {
            let text = format!("[Service]\nType=exec\nExecStart=/usr/bin/sleep infinity\n{more}");
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
