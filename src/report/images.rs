//! The images that are on the node, for its status: the scheduler prefers nodes that have what a pod asks for.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most images, and names of each (kubelet: nodeStatusMaxImages, maxNamesPerImageInNodeStatus).
const MOST: usize = 50;
const NAMES: usize = 5;

/// An image: what it is exactly, a name of it, and its bytes.
pub type Image = (String, String, u64);

/// `status.images`: the largest first, each with its names.
pub fn images(all: impl IntoIterator<Item = Image>) -> Vec<Value> {
    let mut by_id: BTreeMap<String, (Vec<String>, u64)> = BTreeMap::new();
    for (id, name, size) in all {
        let known = by_id.entry(id).or_default();
        if !known.0.contains(&name) {
            known.0.push(name);
        }
        known.1 = known.1.max(size);
    }
    let mut list: Vec<(Vec<String>, u64)> = by_id.into_values().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.truncate(MOST);
    list.into_iter()
        .map(|(mut names, size)| {
            names.truncate(NAMES);
            json!({ "names": names, "sizeBytes": size })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_first_with_all_their_names() {
        let image = |id: &str, name: &str, size| (id.to_owned(), name.to_owned(), size);
        let made = images([
            image("a", "oci:small:1", 5),
            image("b", "oci:big:1", 9),
            image("b", "oci:big:2", 9),
            image("b", "oci:big:2", 9),
        ]);
        assert_eq!(
            made,
            [
                json!({ "names": ["oci:big:1", "oci:big:2"], "sizeBytes": 9 }),
                json!({ "names": ["oci:small:1"], "sizeBytes": 5 }),
            ]
        );
        let many = (0..60).map(|n| image(&n.to_string(), &n.to_string(), n));
        assert_eq!(images(many).len(), 50);
    }
}
