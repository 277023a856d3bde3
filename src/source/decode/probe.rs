//! Probes and lifecycle hooks.

use super::field::{Field, Fields};
use super::known;
use crate::model::pod::Port;
use crate::model::probe::{Check, Hook, HttpGet, Probe, Probes};
use crate::model::process::StopSignal;
use crate::source::tree::Value;
use std::time::Duration;

/// Which of the three probes.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    Startup,
    Liveness,
    Readiness,
}

/// The three probes of a container.
pub fn probes(container: &mut Fields<'_>, ports: &[Port]) -> Option<Probes> {
    let mut one = |key, which| container.optional(key, |x| probe(&x, which, ports));
    let startup = one("startupProbe", Which::Startup);
    let liveness = one("livenessProbe", Which::Liveness);
    let readiness = one("readinessProbe", Which::Readiness);
    Some(Probes {
        startup: startup?,
        liveness: liveness?,
        readiness: readiness?,
    })
}

fn probe(field: &Field<'_>, which: Which, ports: &[Port]) -> Option<Probe> {
    let mut f = field.fields(known::NONE)?;
    let checks = [
        f.optional("exec", |x| exec(&x).map(|command| Check::Exec { command })),
        f.optional("httpGet", |x| http_get(&x, ports).map(Check::HttpGet)),
        f.optional("tcpSocket", |x| tcp_socket(&x, ports)),
        f.optional("grpc", |x| grpc(&x)),
    ];
    let mut number = |key, default: u32| {
        // As in the API, 0 is the default.
        let value = f.optional(key, |x| x.count(0))?.unwrap_or(0);
        Some(if value == 0 { default } else { value })
    };
    let initial_delay = number("initialDelaySeconds", 0);
    let period = number("periodSeconds", 10);
    let timeout = number("timeoutSeconds", 1);
    let failure_threshold = number("failureThreshold", 3);
    let success_threshold = f.optional("successThreshold", |x| success_threshold(&x, which));
    let grace = f.optional("terminationGracePeriodSeconds", |x| probe_grace(&x, which));
    f.finish();
    let seconds = |n: u32| Duration::from_secs(u64::from(n));
    let check = exactly_one(field, checks, "exec, httpGet, tcpSocket and grpc");
    Some(Probe {
        check: check?,
        initial_delay: seconds(initial_delay?),
        period: seconds(period?),
        timeout: seconds(timeout?),
        failure_threshold: failure_threshold?,
        success_threshold: success_threshold?.unwrap_or(1),
        termination_grace: grace?.map(seconds),
    })
}

fn success_threshold(field: &Field<'_>, which: Which) -> Option<u32> {
    let count = field.count(0)?.max(1);
    if count != 1 && which != Which::Readiness {
        field.problem("must be 1 for liveness and startup probes: remove the field");
        return None;
    }
    Some(count)
}

fn probe_grace(field: &Field<'_>, which: Which) -> Option<u32> {
    if which == Which::Readiness {
        field.problem("a readiness probe stops nothing: remove the field");
        return None;
    }
    field.count(1)
}

/// The one thing that is given of several.
fn exactly_one<T, const N: usize>(
    field: &Field<'_>,
    choices: [Option<Option<T>>; N],
    names: &str,
) -> Option<T> {
    let mut given = Vec::new();
    for choice in choices {
        given.extend(choice?);
    }
    if given.len() != 1 {
        field.problem(format!("write exactly one of {names}"));
        return None;
    }
    given.pop()
}

fn exec(field: &Field<'_>) -> Option<Vec<String>> {
    let mut f = field.fields(known::NONE)?;
    let command = match f.require("command") {
        Some(_) => f.arguments("command"),
        None => None,
    };
    f.finish();
    let command = command?;
    if command.first().is_none_or(String::is_empty) {
        field.problem("has no command: write the program and its arguments");
        return None;
    }
    Some(command)
}

fn http_get(field: &Field<'_>, ports: &[Port]) -> Option<HttpGet> {
    let mut f = field.fields(known::NONE)?;
    let host = f.optional("host", |x| host(&x));
    let port = f.require("port").and_then(|x| port(&x, ports));
    let path = f.optional("path", |x| path(&x));
    let https = f.optional("scheme", |x| {
        x.one_of(&[("HTTP", false), ("HTTPS", true), ("", false)])
    });
    let headers = f.list("httpHeaders", |x| header(&x));
    f.finish();
    Some(HttpGet {
        host: host?.flatten(),
        port: port?,
        path: path?.unwrap_or_else(|| "/".to_owned()),
        https: https?.unwrap_or_default(),
        headers: headers?,
    })
}

fn tcp_socket(field: &Field<'_>, ports: &[Port]) -> Option<Check> {
    let mut f = field.fields(known::NONE)?;
    let host = f.optional("host", |x| host(&x));
    let port = f.require("port").and_then(|x| port(&x, ports));
    f.finish();
    Some(Check::TcpSocket {
        host: host?.flatten(),
        port: port?,
    })
}

fn grpc(field: &Field<'_>) -> Option<Check> {
    let mut f = field.fields(known::NONE)?;
    let port = f.require("port").and_then(|x| x.integer(1, 65535));
    let service = f.optional("service", |x| x.line().map(str::to_owned));
    f.finish();
    Some(Check::Grpc {
        port: u16::try_from(port?).ok()?,
        service: service?.unwrap_or_default(),
    })
}

/// A host name or address; the empty one is none.
fn host(field: &Field<'_>) -> Option<Option<String>> {
    let text = field.line()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if !text.bytes().all(good) {
        field.problem("must be a host name or an address, without brackets or a port");
        return None;
    }
    Some((!text.is_empty()).then(|| text.to_owned()))
}

/// A port by number, or by a name of the container's own ports.
fn port(field: &Field<'_>, ports: &[Port]) -> Option<u16> {
    let Value::Text(name) = &field.node.value else {
        return u16::try_from(field.integer(1, 65535)?).ok();
    };
    let found = ports
        .iter()
        .find(|port| port.name.as_deref() == Some(name.as_str()));
    if found.is_none() {
        field.problem(format!(
            "the container has no port named {name:?}: add it to its ports, or write the number without quotes"
        ));
    }
    found.map(|port| port.port)
}

/// Path and query as they go into the request line.
fn path(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        field.problem("must be printable ASCII without spaces: write other characters as %XX");
        return None;
    }
    let slash = if text.starts_with('/') { "" } else { "/" };
    Some(format!("{slash}{text}"))
}

fn header(field: &Field<'_>) -> Option<(String, String)> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| {
        let text = x.text()?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if text.is_empty() || !text.bytes().all(good) {
            x.problem("is not the name of a header: use letters, digits and '-'");
            return None;
        }
        Some(text.to_owned())
    });
    let value = f.optional("value", |x| x.line().map(str::to_owned));
    f.finish();
    Some((name?, value?.unwrap_or_default()))
}

/// After the start, before the stop, and the signal that asks for the end.
type Hooks = (Option<Hook>, Option<Hook>, Option<StopSignal>);

/// `lifecycle`.
pub fn hooks(container: &mut Fields<'_>, ports: &[Port], grace: Duration) -> Option<Hooks> {
    let Some(lifecycle) = container.take("lifecycle") else {
        return Some((None, None, None));
    };
    let mut f = lifecycle.fields(known::LIFECYCLE)?;
    let post_start = f.optional("postStart", |x| hook(&x, ports, grace));
    let pre_stop = f.optional("preStop", |x| hook(&x, ports, grace));
    let signal = f.optional("stopSignal", |x| x.parse());
    f.finish();
    Some((post_start?, pre_stop?, signal?))
}

fn hook(field: &Field<'_>, ports: &[Port], grace: Duration) -> Option<Hook> {
    let mut f = field.fields(known::HOOK)?;
    let hooks = [
        f.optional("exec", |x| exec(&x).map(|command| Hook::Exec { command })),
        f.optional("httpGet", |x| http_get(&x, ports).map(Hook::HttpGet)),
        f.optional("sleep", |x| sleep(&x, grace)),
    ];
    let before = f.report.count();
    f.finish();
    if field.report.count() > before {
        return None;
    }
    exactly_one(field, hooks, "exec, httpGet and sleep")
}

fn sleep(field: &Field<'_>, grace: Duration) -> Option<Hook> {
    let mut f = field.fields(known::NONE)?;
    let seconds = f.require("seconds").and_then(|x| {
        let seconds = Duration::from_secs(u64::from(x.count(0)?));
        if seconds > grace {
            x.problem(format!(
                "must not be longer than terminationGracePeriodSeconds ({}): shorten it or raise that",
                grace.as_secs()
            ));
            return None;
        }
        Some(seconds)
    });
    f.finish();
    Some(Hook::Sleep { duration: seconds? })
}
