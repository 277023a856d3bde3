//! What the host is short of: told to whoever ends pods for it, and kept in mind for a while, so that the node does not
//! take back and forth what it says.

use super::node::{Memory, Node};
use crate::model::node::Load;
use crate::report::node;
use std::time::Instant;

impl Node {
    /// What the host is short of, and was not long ago.
    pub(super) fn look_for_shortage(&self, memory: &mut Memory, load: &mut Load) {
        let (settings, facts) = (&self.settings, &memory.facts);
        if let Some(shortage) = node::shortage(settings, facts, load) {
            let _ = self.short.send(shortage);
        }
        let now = Instant::now();
        let short = node::pressures(settings, facts, load);
        for ((since, lately), short) in memory.short.iter_mut().zip(&mut load.lately).zip(short) {
            if short {
                *since = Some(now);
            }
            let transition = settings.eviction.transition;
            *lately = since.is_some_and(|since| now.duration_since(since) < transition);
        }
        let said: [bool; 3] = std::array::from_fn(|index| short[index] || load.lately[index]);
        self.pressures.send_if_modified(|known| {
            let new = *known != said;
            *known = said;
            new
        });
    }
}
