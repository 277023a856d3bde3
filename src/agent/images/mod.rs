//! Images of pods: looked for, fetched and recorded, so that planning finds them.
//!
//! ```text
//!  pods that changed --+                       +--> vks-fetch@<id>.service, one for all who want the same
//!  a fetch has ended --+--> what is wanted ----+--> records of pods --> Desired --> planning
//!  time, files --------+    and not there yet
//! ```
//!
//! What a pod has been given it keeps for its life: a record says so, and outlives the agent. Only what is missing is looked
//! for. On a host whose pods run programs of the host by their names, nothing happens here.

mod attempts;
mod fetch;
mod look;
mod tell;

use super::AgentError;
use super::pass::Parts;
use crate::host::dir_news::DirNews;
use crate::host::files::FileError;
use crate::host::image_files;
use crate::model::image::ImageRef;
use crate::model::image::fetch::Outcome;
use crate::model::image::record::RefRecord;
use crate::model::image::resolved::{PodImages, State, User};
use crate::model::name::PodKey;
use crate::plan::images::wants;
use attempts::Attempts;
use look::{Asked, Look};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};

/// The images of a pod, in place of those it had.
type Change = (PodKey, Option<PodImages>);

/// A pod, the images it has, and those that are asked for.
type Wanting = (PodKey, PodImages, Vec<Asked>);

/// A fetch that has ended: its request's id, and what came of it.
type Ended = (String, Outcome);

/// Sees to the images of pods.
#[derive(Debug, Default)]
pub struct Images {
    /// Pods to look at, beside those that the state names.
    due: BTreeSet<PodKey>,
    attempts: Attempts,
    tasks: JoinSet<Ended>,
    /// Images that have come since the last look, by the id of their request.
    fresh: BTreeMap<String, RefRecord>,
    /// News of images that others bring, while somebody waits.
    news: Option<DirNews>,
}

impl Images {
    /// Looks at the images of pods that have changed, and begins to fetch what is missing.
    pub async fn work(&mut self, parts: &mut Parts) -> Result<(), AgentError> {
        let mut keys = parts.state.take_image_changes();
        keys.append(&mut self.due);
        keys.extend(self.attempts.take_due(Instant::now()));
        if keys.is_empty() {
            return Ok(());
        }
        let (mut changed, asked) = self.sort(parts, keys);
        let mut look = Look::new(parts, asked.iter().flat_map(|(_, _, asked)| asked)).await?;
        for (key, mut images, asked) in asked {
            self.attempts.leave(&key);
            for asked in asked {
                let held = look.at(self, &key, asked);
                images.images.extend([held]);
            }
            changed.push((key, Some(images)));
        }
        self.fresh.clear();
        for request in self.attempts.take_begun() {
            let (systemd, layout) = (parts.systemd.clone(), parts.state.settings.layout.clone());
            self.tasks.spawn(fetch::fetch(systemd, layout, request));
        }
        self.put(parts, changed).await?;
        self.listen(parts);
        Ok(())
    }

    /// What is known of pods without a look, and what has to be looked for.
    fn sort(&mut self, parts: &Parts, keys: BTreeSet<PodKey>) -> (Vec<Change>, Vec<Wanting>) {
        let mut changed = Vec::new();
        let mut asked = Vec::new();
        for key in keys {
            let desired = parts.sources.desired();
            let known = desired.images.get(&key);
            let is = parts.state.observed.pods.get(&key);
            let Some(pod) = desired.pods.get(&key) else {
                if is.is_none() {
                    self.attempts.leave(&key);
                    changed.extend(known.map(|_| (key, None)));
                }
                continue;
            };
            let wants = wants(pod, &parts.state.settings);
            if wants.is_empty() && known.is_none() {
                continue;
            }
            let mut images = PodImages {
                uid: is.map(|is| is.uid.clone()),
                ..PodImages::default()
            };
            // A life that is over has taken its images with it.
            let over = is.is_none() && known.is_some_and(|known| known.uid.is_some());
            let before = known.filter(|_| !over);
            let mut missing = Vec::new();
            for want in wants {
                let (user, image) = (want.named.user.clone(), want.named.image.clone());
                match before.and_then(|before| before.of(&user, &image)) {
                    Some(State::Ready(resolved)) => {
                        let state = State::Ready(resolved.clone());
                        images.images.insert(user, look::held(image, state));
                    }
                    before => missing.extend(Asked::new(&want, pod, desired, before)),
                }
            }
            match missing.is_empty() {
                true => changed.push((key, Some(images))),
                false => asked.push((key, images, missing)),
            }
        }
        (changed, asked)
    }

    /// Records what differs, and has the pods planned anew.
    async fn put(&mut self, parts: &mut Parts, changed: Vec<Change>) -> Result<(), AgentError> {
        let known = &parts.sources.desired().images;
        let differs = |(key, images): &Change| {
            let images = images.as_ref().filter(|images| !images.images.is_empty());
            known.get(key) != images
        };
        let changed: Vec<_> = changed.into_iter().filter(differs).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let released: Vec<ImageRef> = changed
            .iter()
            .filter_map(|(key, _)| known.get(key))
            .flat_map(|images| images.images.values())
            .filter_map(|held| match &held.state {
                State::Ready(resolved) => Some(resolved.reference.clone()),
                State::Waiting { .. } => None,
            })
            .collect();
        let (writes, layout) = (changed.clone(), parts.state.settings.layout.clone());
        let write = move || {
            for (key, images) in &writes {
                let images = images.as_ref().filter(|images| !images.images.is_empty());
                image_files::write_pod(&layout, key, images)?;
            }
            for reference in &released {
                image_files::touch_ref(&layout, reference)?;
            }
            Ok::<_, FileError>(())
        };
        let written = tokio::task::spawn_blocking(write);
        let written = written.await.map_err(|_| AgentError::Task)?;
        // What runs is not touched by that; the next agent looks again.
        if let Err(error) = written {
            log::error!(
                "images of pods are not recorded: {}",
                crate::chain::line(&error)
            );
        }
        for (key, images) in changed {
            let images = images.filter(|images| !images.images.is_empty());
            parts.sources.set_images(&key, images);
            parts.state.mark_wanted([key]);
        }
        Ok(())
    }

    /// Hears of images that others bring as long as somebody waits for one.
    fn listen(&mut self, parts: &Parts) {
        if self.attempts.is_empty() {
            self.news = None;
        } else if self.news.is_none() {
            let layout = &parts.state.settings.layout;
            let warn = |why: &dyn std::fmt::Display| {
                log::warn!("images that others bring are found at the next attempt only: {why}");
            };
            // On a host that never had an image there is nothing to listen to yet.
            if let Err(error) = image_files::make_refs(layout) {
                warn(&error);
            }
            self.news = DirNews::watch(&layout.image_refs()).unwrap_or_else(|error| {
                warn(&error);
                None
            });
        }
    }

    /// Waits until there is something for [`Images::work`] to do: a fetch has ended, others have brought images, or the
    /// time for another attempt has come. Cancel-safe; pending while nobody waits for an image.
    ///
    /// # Errors
    /// When a fetch ended in a way it never should.
    pub async fn next(&mut self) -> Result<(), JoinError> {
        let due = self.attempts.next();
        let time = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            match &mut self.news {
                Some(news) => news.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = self.tasks.join_next() => self.done(ended?),
            // Whoever waits is looked at again.
            () = news => self.due.extend(self.attempts.waiting()),
            () = time => {}
        }
        Ok(())
    }

    /// A fetch has ended: all who wait for it are looked at again.
    fn done(&mut self, (id, outcome): Ended) {
        let waiting = match outcome {
            Outcome::Here { record, .. } => {
                let waiting = self.attempts.succeeded(&id, &record, Instant::now());
                self.fresh.insert(id, record);
                waiting
            }
            Outcome::Failed {
                message,
                retry_after,
            } => {
                let asked = retry_after.map(Duration::from_secs);
                let now = Instant::now();
                self.attempts.failed(&id, &message, asked, now)
            }
        };
        self.due.extend(waiting);
    }

    /// The same for a pass without an agent: until nothing is being fetched. What cannot be had is waited for by the
    /// next agent.
    pub async fn once(&mut self, parts: &mut Parts) -> Result<(), AgentError> {
        self.work(parts).await?;
        while let Some(ended) = self.tasks.join_next().await {
            self.done(ended.map_err(|_| AgentError::Task)?);
            self.work(parts).await?;
        }
        Ok(())
    }
}

/// The image of a user of a pod.
type Entry = (User, crate::model::image::resolved::Held);
