//! A look at images that a pod wants and has not been given.

use super::tell::{self, For};
use super::{Entry, Images};
use crate::agent::AgentError;
use crate::agent::pass::Parts;
use crate::host::image_files;
use crate::model::desired::Desired;
use crate::model::image::fetch::Request;
use crate::model::image::record::{RefRecord, canonical};
use crate::model::image::resolved::{Held, Reason, State, User};
use crate::model::image::{ImageRef, PullPolicy};
use crate::model::name::PodKey;
use crate::model::pod::Pod;
use crate::plan::images::access::{Act, decide};
use crate::plan::images::{Want, auth, resolve_here};
use std::collections::BTreeMap;
use std::time::Instant;

/// An image that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    user: User,
    image: ImageRef,
    reference: ImageRef,
    policy: PullPolicy,
    request: Request,
    /// What was said of it so far.
    before: Option<State>,
    /// Secrets with credentials that are not there.
    no_secrets: Vec<String>,
}

/// What is to be remembered of an image.
pub(super) fn held(image: ImageRef, state: State) -> Held {
    Held { image, state }
}

impl Asked {
    /// `None` for a name that means nothing: planning says so.
    pub(super) fn new(
        want: &Want,
        pod: &Pod,
        desired: &Desired,
        before: Option<&State>,
    ) -> Option<Self> {
        let reference = want.reference.clone().ok()?;
        let (credentials, access) = match &reference {
            ImageRef::Oci(oci) => auth::of_pod(pod, oci, desired),
            _ => (Vec::new(), None),
        };
        let no_secrets = match reference {
            ImageRef::Oci(_) => auth::missing(pod, desired).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            user: want.named.user.clone(),
            image: want.named.image.clone(),
            policy: want.policy,
            request: Request {
                reference: reference.clone(),
                fresh: want.policy == PullPolicy::Always,
                credentials,
                access,
            },
            reference,
            before: before.cloned(),
            no_secrets,
        })
    }
}

/// What is here of the images that are asked for.
#[derive(Debug)]
pub(super) struct Look {
    here: BTreeMap<String, RefRecord>,
    now: Instant,
}

impl Look {
    /// Reads what is known of them, and whether it is still there.
    pub(super) async fn new(
        parts: &Parts,
        asked: impl Iterator<Item = &Asked>,
    ) -> Result<Self, AgentError> {
        let layout = parts.state.settings.layout.clone();
        let references: BTreeMap<String, ImageRef> = asked
            .map(|asked| (canonical(&asked.reference), asked.reference.clone()))
            .collect();
        let now = Instant::now();
        if references.is_empty() {
            return Ok(Self {
                here: BTreeMap::new(),
                now,
            });
        }
        let read = move || {
            let known = references.into_iter().filter_map(|(name, reference)| {
                let record = image_files::read_ref(&layout, &reference).ok()??;
                image_files::is_there(&layout, &record.resolved).then_some((name, record))
            });
            known.collect()
        };
        let here = tokio::task::spawn_blocking(read);
        let here = here.await.map_err(|_| AgentError::Task)?;
        Ok(Self { here, now })
    }

    /// What is to be said of one now.
    pub(super) fn at(&mut self, images: &mut Images, pod: &PodKey, asked: Asked) -> Entry {
        let who = For {
            pod: pod.clone(),
            user: asked.user.clone(),
            image: asked.image.to_string(),
        };
        let state = self.state(images, &who, &asked);
        (asked.user, held(asked.image, state))
    }

    fn state(&mut self, images: &mut Images, who: &For, asked: &Asked) -> State {
        if let Some(resolved) = resolve_here(&asked.reference) {
            return State::Ready(resolved);
        }
        // Came for this very request: no policy asks for it once more.
        if let Some(record) = images.fresh.get(&asked.request.id()) {
            return State::Ready(record.resolved.clone());
        }
        // What it has written so far is not all of it.
        let here = self.here.get(&canonical(&asked.reference));
        let here = here.filter(|_| !images.attempts.is_running(&asked.request.id()));
        let access = asked.request.access.as_deref();
        match (decide(asked.policy, here, access), here) {
            (Act::Use, Some(record)) => {
                tell::present(who);
                State::Ready(record.resolved.clone())
            }
            (Act::Refuse, _) => {
                let message = format!(
                    "Container image \"{}\" is not present with pull policy of Never",
                    who.image
                );
                let state = State::Waiting {
                    reason: Reason::ErrImageNeverPull,
                    message: message.clone(),
                };
                if asked.before.as_ref() != Some(&state) {
                    tell::never(who, &message);
                }
                images.attempts.refuse(&who.pod);
                state
            }
            _ => {
                if asked.before.is_none() {
                    let secrets = asked.no_secrets.iter();
                    secrets.for_each(|secret| tell::no_secret(who, secret));
                }
                images
                    .attempts
                    .want(who.clone(), asked.request.clone(), self.now)
            }
        }
    }
}
