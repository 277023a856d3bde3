//! Priorities of pods, and the classes they come from.

use super::field::{Field, Fields};
use super::meta;
use crate::model::name::ObjectName;
use crate::model::pod::SourcePath;
use crate::model::priority::{HIGHEST, PriorityAsked, PriorityClass, SYSTEM_CLASSES};
use crate::source::parsed::{ParsedFile, What};

/// `priority` and `priorityClassName` of a pod.
pub fn asked(spec: &mut Fields<'_>) -> Option<PriorityAsked> {
    let class = spec.optional("priorityClassName", |x| match x.text()? {
        "" => Some(None),
        _ => x.parse::<ObjectName>().map(Some),
    });
    let value = spec.optional("priority", |x| {
        let number = x.integer(i32::MIN.into(), i32::MAX.into())?;
        i32::try_from(number).ok()
    });
    Some(PriorityAsked {
        class: class?.flatten(),
        value: value?,
    })
}

/// A PriorityClass. It has no namespace; one that is written is not used.
pub fn object(field: &Field<'_>, f: &mut Fields<'_>, source: SourcePath, found: &mut ParsedFile) {
    let version = super::version(f, "scheduling.k8s.io/v1", true);
    let meta = meta::object(f);
    let name = meta
        .as_ref()
        .and_then(|meta| Some(meta.key.as_ref()?.name.clone()));
    let value = f.require("value").and_then(|x| value(&x, name.as_ref()));
    let global_default = f.flag("globalDefault");
    // Nothing preempts on one host: only the words are checked.
    let preemption = f.optional("preemptionPolicy", |x| {
        x.one_of(&[("PreemptLowerPriority", ()), ("Never", ())])
    });
    super::claim(found, field.node.line, name.map(What::priority_class));
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(value), Some(global_default), Some(_)) =
        (whole, value, global_default, preemption)
    {
        let class = PriorityClass {
            value,
            global_default,
            source,
        };
        found.priority_classes.push((meta.key.name, class));
    }
}

fn value(field: &Field<'_>, name: Option<&ObjectName>) -> Option<i32> {
    let number = field.integer(i32::MIN.into(), i32::MAX.into())?;
    let number = i32::try_from(number).ok()?;
    let system = name.is_some_and(|name| name.as_str().starts_with("system-"));
    if system {
        let all = SYSTEM_CLASSES.map(|(name, value)| format!("{name} ({value})"));
        let known = SYSTEM_CLASSES.iter().any(|(known, value)| {
            name.is_some_and(|name| name.as_str() == *known) && *value == number
        });
        if !known {
            field.problem(format!(
                "names that begin with system- are kept for {}: choose another name",
                all.join(" and ")
            ));
            return None;
        }
    } else if number > HIGHEST {
        field.problem(format!(
            "is greater than {HIGHEST}, which is the most for a class of one's own: lower it"
        ));
        return None;
    }
    Some(number)
}
