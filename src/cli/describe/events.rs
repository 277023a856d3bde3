//! The events of a pod.

use super::{Scene, Text};
use crate::cli::events::{kind, seen};
use crate::cli::view::PodView;

/// What happened to this life of the pod in the last hour, the latest last.
pub fn section(text: &mut Text, pod: &PodView, scene: &Scene) {
    let report = &pod.report;
    let own = |uid: &Option<String>| match (uid, &report.uid) {
        (Some(found), Some(own)) => found == own.as_str(),
        _ => true,
    };
    let of_pod = scene.events.iter();
    let mut of_pod = of_pod
        .filter(|event| event.pod == report.key && own(&event.uid))
        .peekable();
    if of_pod.peek().is_none() {
        text.line(0, "Events:\t<none>");
        return;
    }
    text.line(0, "Events:");
    text.line(1, "Type\tReason\tAge\tFrom\tMessage");
    text.line(1, "----\t------\t----\t----\t-------");
    for event in of_pod {
        let from = event
            .container
            .as_deref()
            .map_or_else(|| "vks".to_owned(), |name| format!("vks, {name}"));
        let line = [
            kind(event),
            &event.reason,
            &seen(event),
            &from,
            &event.message,
        ]
        .join("\t");
        text.line(1, &line);
    }
}
