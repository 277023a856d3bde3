//! Figures under the names that Prometheus and metrics-server know.

use super::collect::{Collected, ContainerFigures, PodFigures};
use super::page::{COUNTER, GAUGE, Page};
use crate::host::usage::Usage;
use crate::model::status::Phase;
use crate::model::time::Timestamp;
use crate::model::view::PodView;
use std::sync::Arc;

#[expect(
    clippy::cast_precision_loss,
    reason = "all samples of Prometheus are floating point numbers"
)]
fn float(number: u64) -> f64 {
    number as f64
}

fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

/// One figure of a usage: name, kind, meaning, value.
type Figure = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Usage) -> Option<f64>,
);

const OF_NODE: [Figure; 3] = [
    (
        "node_cpu_usage_seconds_total",
        COUNTER,
        "Processor time of the node",
        |u| Some(seconds(u.cpu)),
    ),
    (
        "node_memory_working_set_bytes",
        GAUGE,
        "Working set of the node",
        |u| Some(float(u.working_set)),
    ),
    (
        "node_swap_usage_bytes",
        GAUGE,
        "Swap space in use on the node",
        |u| Some(float(u.swap)),
    ),
];

const OF_POD: [Figure; 3] = [
    (
        "pod_cpu_usage_seconds_total",
        COUNTER,
        "Processor time of the pod",
        |u| Some(seconds(u.cpu)),
    ),
    (
        "pod_memory_working_set_bytes",
        GAUGE,
        "Working set of the pod",
        |u| Some(float(u.working_set)),
    ),
    (
        "pod_swap_usage_bytes",
        GAUGE,
        "Swap space in use by the pod",
        |u| Some(float(u.swap)),
    ),
];

const OF_CONTAINER: [Figure; 4] = [
    (
        "container_cpu_usage_seconds_total",
        COUNTER,
        "Processor time of the container",
        |u| Some(seconds(u.cpu)),
    ),
    (
        "container_memory_working_set_bytes",
        GAUGE,
        "Working set of the container",
        |u| Some(float(u.working_set)),
    ),
    (
        "container_swap_usage_bytes",
        GAUGE,
        "Swap space in use by the container",
        |u| Some(float(u.swap)),
    ),
    (
        "container_swap_limit_bytes",
        GAUGE,
        "Swap space the container may use",
        |u| u.swap_limit.map(float),
    ),
];

const OF_CADVISOR: [Figure; 12] = [
    (
        "container_cpu_usage_seconds_total",
        COUNTER,
        "Processor time",
        |u| Some(seconds(u.cpu)),
    ),
    (
        "container_cpu_cfs_periods_total",
        COUNTER,
        "Periods of the processor limit",
        |u| Some(float(u.throttled.1)),
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        COUNTER,
        "Periods in which it was held back",
        |u| Some(float(u.throttled.0)),
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        COUNTER,
        "How long it was held back",
        |u| Some(seconds(u.throttled_time)),
    ),
    (
        "container_memory_usage_bytes",
        GAUGE,
        "Memory in use",
        |u| Some(float(u.memory)),
    ),
    (
        "container_memory_working_set_bytes",
        GAUGE,
        "Working set",
        |u| Some(float(u.working_set)),
    ),
    (
        "container_memory_rss",
        GAUGE,
        "Memory that belongs to no file",
        |u| Some(float(u.anonymous)),
    ),
    ("container_memory_cache", GAUGE, "Memory of files", |u| {
        Some(float(u.cache))
    }),
    ("container_memory_swap", GAUGE, "Swap space in use", |u| {
        Some(float(u.swap))
    }),
    (
        "container_spec_memory_limit_bytes",
        GAUGE,
        "Memory it may use, 0 without a limit",
        |u| Some(float(u.limit.unwrap_or(0))),
    ),
    (
        "container_oom_events_total",
        COUNTER,
        "Ends for want of memory",
        |u| Some(float(u.ooms)),
    ),
    ("container_threads", GAUGE, "Processes and threads", |u| {
        Some(float(u.tasks))
    }),
];

fn figures(
    page: &mut Page,
    figures: &[Figure],
    usage: Option<&Usage>,
    labels: &[(&str, &str)],
    time: Timestamp,
) {
    for (name, kind, help, value) in figures {
        page.family(name, kind, help);
        if let Some(value) = usage.and_then(value) {
            page.sample(name, labels, value, Some(time));
        }
    }
}

const START: &str = "container_start_time_seconds";

fn start(page: &mut Page, container: &ContainerFigures, labels: &[(&str, &str)], time: Timestamp) {
    if let Some(started) = container.started {
        page.sample(START, labels, seconds(started.micros()), Some(time));
    }
}

/// What metrics-server reads.
pub fn resource(collected: &Collected) -> Page {
    let (mut page, time) = (Page::default(), collected.time);
    figures(&mut page, &OF_NODE, Some(&collected.host), &[], time);
    page.family(START, GAUGE, "When the container was started");
    for pod in &collected.pods {
        let of_pod = [("namespace", &*pod.namespace), ("pod", &*pod.name)];
        figures(&mut page, &OF_POD, pod.usage.as_ref(), &of_pod, time);
        for container in &pod.containers {
            let labels = [("container", &*container.name), of_pod[0], of_pod[1]];
            figures(
                &mut page,
                &OF_CONTAINER,
                container.usage.as_ref(),
                &labels,
                time,
            );
            start(&mut page, container, &labels, time);
        }
    }
    page.family(
        "resource_scrape_error",
        GAUGE,
        "1 if figures could not be read, else 0",
    );
    let blind = collected.pods.iter().any(|pod| pod.usage.is_none());
    page.sample(
        "resource_scrape_error",
        &[],
        if blind { 1.0 } else { 0.0 },
        None,
    );
    page
}

/// The names of cAdvisor that are read most.
pub fn cadvisor(collected: &Collected) -> Page {
    let (mut page, time) = (Page::default(), collected.time);
    page.family(START, GAUGE, "When the container was started");
    page.family("machine_memory_bytes", GAUGE, "Memory of the node");
    page.sample(
        "machine_memory_bytes",
        &[],
        float(collected.host.limit.unwrap_or(0)),
        None,
    );
    page.family("machine_cpu_cores", GAUGE, "Processors of the node");
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64);
    page.sample("machine_cpu_cores", &[], float(cores), None);
    of_cadvisor(
        &mut page,
        ["", "", "/", "", "", ""],
        Some(&collected.host),
        time,
    );
    for pod in &collected.pods {
        let whole = [&*pod.namespace, &pod.name, "", "", "", ""];
        of_cadvisor(&mut page, whole, pod.usage.as_ref(), time);
        traffic(&mut page, pod, time);
        for one in &pod.containers {
            let names = [
                &*pod.namespace,
                &pod.name,
                &one.unit,
                &one.id,
                &one.name,
                &one.image,
            ];
            of_cadvisor(&mut page, names, one.usage.as_ref(), time);
            let labels = [
                ("namespace", names[0]),
                ("pod", names[1]),
                ("container", names[4]),
            ];
            start(&mut page, one, &labels, time);
        }
    }
    page
}

/// With cAdvisor's labels: namespace, pod, unit as id, run as name, container and image.
fn of_cadvisor(page: &mut Page, names: [&str; 6], usage: Option<&Usage>, time: Timestamp) {
    let [namespace, pod, id, name, container, image] = names;
    let labels = [
        ("container", container),
        ("id", id),
        ("image", image),
        ("name", name),
        ("namespace", namespace),
        ("pod", pod),
    ];
    figures(page, &OF_CADVISOR, usage, &labels, time);
}

fn traffic(page: &mut Page, pod: &PodFigures, time: Timestamp) {
    let families = [
        (
            "container_network_receive_bytes_total",
            "Bytes that came in",
        ),
        (
            "container_network_receive_errors_total",
            "Errors of what came in",
        ),
        (
            "container_network_transmit_bytes_total",
            "Bytes that went out",
        ),
        (
            "container_network_transmit_errors_total",
            "Errors of what went out",
        ),
    ];
    for interface in &pod.traffic {
        let labels = [
            ("interface", &*interface.name),
            ("namespace", &*pod.namespace),
            ("pod", &*pod.name),
        ];
        let values = [
            interface.received.0,
            interface.received.1,
            interface.sent.0,
            interface.sent.1,
        ];
        for ((name, help), value) in families.into_iter().zip(values) {
            page.family(name, COUNTER, help);
            page.sample(name, &labels, float(value), Some(time));
        }
    }
}

/// Of the agent itself.
pub fn own(node: &str, pods: &[Arc<PodView>]) -> Page {
    let mut page = Page::default();
    page.family(
        "kubelet_node_name",
        GAUGE,
        "The node's name. The count is always 1",
    );
    page.sample("kubelet_node_name", &[("node", node)], 1.0, None);
    let running = pods
        .iter()
        .filter(|pod| pod.report.status.phase == Phase::Running);
    page.family("kubelet_running_pods", GAUGE, "Pods that run");
    page.sample(
        "kubelet_running_pods",
        &[],
        float(running.count() as u64),
        None,
    );
    let units = pods
        .iter()
        .flat_map(|pod| pod.observed.iter())
        .flat_map(|observed| observed.units.values());
    let running = units
        .filter_map(|unit| unit.state.run.as_ref())
        .filter(|run| run.main_pid != 0);
    page.family("kubelet_running_containers", GAUGE, "Containers that run");
    let running = float(running.count() as u64);
    page.sample(
        "kubelet_running_containers",
        &[("container_state", "running")],
        running,
        None,
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    page.family(
        "process_resident_memory_bytes",
        GAUGE,
        "Memory of the agent",
    );
    page.sample(
        "process_resident_memory_bytes",
        &[],
        float(resident.unwrap_or(0) * 1024),
        None,
    );
    page
}

/// Whether containers are found ready and started.
pub fn probes(pods: &[Arc<PodView>]) -> Page {
    let mut page = Page::default();
    page.family(
        "prober_probe_total",
        COUNTER,
        "Not counted: probes are run by a process of the pod",
    );
    page.family(
        "vks_container_ready",
        GAUGE,
        "1 if the container is ready, else 0",
    );
    for pod in pods {
        for container in &pod.report.status.container_statuses {
            let labels = [
                ("container", container.name.as_str()),
                ("namespace", pod.report.key.namespace.as_str()),
                ("pod", pod.report.key.name.as_str()),
            ];
            let ready = if container.ready { 1.0 } else { 0.0 };
            page.sample("vks_container_ready", &labels, ready, None);
        }
    }
    page
}
