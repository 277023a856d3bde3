//! What is known of each container, told to systemd whenever it changes.

use crate::model::name::ContainerName;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Digits of an invocation that tell it from the one before.
const DIGITS: usize = 8;

/// The containers that run, with the invocation and whether it is ready.
#[derive(Debug, Default)]
pub(super) struct Board {
    known: Mutex<BTreeMap<ContainerName, (String, bool)>>,
}

impl Board {
    /// Says that probing has begun.
    pub(super) fn ready(&self) {
        // Outside of a unit nobody listens.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    /// Sets what is known of a run.
    pub(super) fn set(&self, name: &ContainerName, invocation: &str, ready: bool) {
        let short = invocation.get(..DIGITS).unwrap_or(invocation).to_owned();
        self.change(|known| {
            known.insert(name.clone(), (short.clone(), ready)) != Some((short, ready))
        });
    }

    /// Forgets a container that does not run.
    pub(super) fn clear(&self, name: &ContainerName) {
        self.change(|known| known.remove(name).is_some());
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<ContainerName, (String, bool)>) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut known) {
            let _ = sd_notify::notify(&[NotifyState::Status(&text(&known))]);
        }
    }
}

fn text(known: &BTreeMap<ContainerName, (String, bool)>) -> String {
    let words = known.iter().map(|(name, (invocation, ready))| {
        format!(
            "{name}:{invocation}={}",
            if *ready { "ready" } else { "notready" }
        )
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_sorted_and_says_which_run() {
        let board = Board::default();
        board.set(&"web".parse().unwrap(), "0123456789abcdef", true);
        board.set(&"db".parse().unwrap(), "fedcba9876543210", false);
        let known = board.known.lock().unwrap();
        assert_eq!(text(&known), "db:fedcba98=notready web:01234567=ready");
    }
}
