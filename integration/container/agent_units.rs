//! The units that vks brings with it are shut in as docs/hardening.md says, in the words of systemd.

use super::host::shared;
use super::lab;
use std::collections::BTreeMap;

/// The table of the page: unit to exposure.
fn page() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(lab::repository().join("docs/hardening.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row
            .split('|')
            .map(|cell| cell.trim().trim_end_matches('`').to_owned());
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

#[test]
fn exposures_are_as_documented() {
    let Some(host) = shared() else {
        return;
    };
    // A file by its path, so that drop-ins and what runs do not matter; a template as one of its instances.
    let said = host.ok(
        "cd /usr/lib/systemd/system; d=$(mktemp -d); for unit in vks*.service; do \
           as=$(echo \"$unit\" | sed s/@/@x/); cp \"$unit\" \"$d/$as\"; \
           printf '%s ' \"$unit\"; \
           systemd-analyze security --offline=true --no-pager \"$d/$as\" 2>/dev/null | sed -n 's/.*exposure level for [^ ]*: \\([0-9.]*\\).*/\\1/p'; \
         done; rm -r $d",
    );
    let found: BTreeMap<String, String> = said
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(unit, exposure)| (unit.to_owned(), exposure.to_owned()))
        .collect();
    assert!(found.len() >= 3, "{said}");
    assert_eq!(found, page());
}
