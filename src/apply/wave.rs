//! Pods that are begun together: first all their files, then the starts.
//!
//! systemd reads the names in all its unit directories when it is asked for a unit that it does not know and one of them
//! has changed since. Were each start followed by the files of the next pod, it would read all names for each pod.

use tokio::sync::watch;

/// The part of one pod in a wave. Each pod of it has a clone; the one they were cloned from is to be dropped, or the wave
/// never ends.
#[derive(Debug, Clone)]
pub struct Wave {
    writing: Option<watch::Sender<()>>,
    written: watch::Receiver<()>,
}

impl Default for Wave {
    /// A wave that nobody is in but who has this.
    fn default() -> Self {
        let (writing, written) = watch::channel(());
        Self {
            writing: Some(writing),
            written,
        }
    }
}

impl Wave {
    /// This pod holds up no start any more: its files are written, or something else comes first.
    pub(super) fn written(&mut self) {
        self.writing = None;
    }

    /// Waits until that holds for all pods of the wave; those that have failed are none of it.
    pub(super) async fn all_written(&mut self) {
        // Nothing is ever sent: it ends when all senders are gone.
        while self.written.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn nobody_starts_before_all_have_written_or_failed() {
        let first = Wave::default();
        let (mut one, mut two, three) = (first.clone(), first.clone(), first.clone());
        drop(first);
        one.written();
        assert!(one.all_written().now_or_never().is_none());
        two.written();
        assert!(two.all_written().now_or_never().is_none());
        drop(three);
        assert!(one.all_written().now_or_never().is_some());
        assert!(two.all_written().now_or_never().is_some());
    }
}
