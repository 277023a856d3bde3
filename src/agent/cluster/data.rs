//! Config maps, secrets and claims that the pods of this node use, each asked for by its name: a node may read no others.

use super::api::Server;
use super::claims::claimed;
use super::files::Files;
use super::follow::{News, follow};
use crate::model::name::ObjectKey;
use crate::source::cluster::{FileKind, Needs, config_map, file_name, secret};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc::{UnboundedSender, channel};
use tokio::task::JoinSet;

/// An object by its kind and name.
pub type Datum = (FileKind, ObjectKey);

/// The objects that are followed.
pub struct Data {
    server: Server,
    files: Files,
    answers: UnboundedSender<Datum>,
    tasks: JoinSet<()>,
    followed: BTreeMap<Datum, tokio::task::AbortHandle>,
    answered: BTreeSet<Datum>,
}

impl Data {
    /// Nothing is followed yet. What becomes known for the first time is told to `answers`.
    pub fn new(server: Server, files: Files, answers: UnboundedSender<Datum>) -> Self {
        Self {
            server,
            files,
            answers,
            tasks: JoinSet::new(),
            followed: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }

    /// An object has been answered for: there, or not.
    pub fn answered(&mut self, datum: Datum) {
        self.answered.insert(datum);
    }

    /// Whether all of these have been answered for.
    pub fn knows(&self, needs: &Needs) -> bool {
        data(needs).all(|datum| self.answered.contains(&datum))
    }

    /// Follows what is needed, too, from now on. `own` are secrets that nobody can ask for: tokens.
    pub fn want(&mut self, needs: &Needs, own: &BTreeSet<ObjectKey>) {
        for datum in data(needs) {
            let is_own = datum.0 == FileKind::Secret && own.contains(&datum.1);
            if !is_own && !self.followed.contains_key(&datum) {
                let task = one(
                    self.server.clone(),
                    datum.clone(),
                    self.files.clone(),
                    self.answers.clone(),
                );
                let handle = self.tasks.spawn(task);
                self.followed.insert(datum, handle);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Forgets what none of these need. Their files go.
    pub fn keep<'a>(&mut self, needs: impl Iterator<Item = &'a Needs>) {
        let needed: BTreeSet<Datum> = needs.flat_map(data).collect();
        let files = &self.files;
        self.followed.retain(|datum, task| {
            let keep = needed.contains(datum);
            if !keep {
                task.abort();
            }
            keep
        });
        self.answered.retain(|datum| {
            let keep = needed.contains(datum);
            if !keep {
                files.remove(file_name(datum.0, &datum.1));
                if datum.0 == FileKind::Claim {
                    files.remove(file_name(FileKind::Volume, &datum.1));
                }
            }
            keep
        });
    }
}

fn data(needs: &Needs) -> impl Iterator<Item = Datum> {
    let maps = needs.config_maps.iter();
    let maps = maps.map(|key| (FileKind::ConfigMap, key.clone()));
    let secrets = needs.secrets.iter();
    let secrets = secrets.map(|key| (FileKind::Secret, key.clone()));
    let claims = needs.claims.iter();
    let claims = claims.map(|key| (FileKind::Claim, key.clone()));
    maps.chain(secrets).chain(claims)
}

/// Follows one object, and writes it.
async fn one(server: Server, datum: Datum, files: Files, answers: UnboundedSender<Datum>) {
    let (kind, key) = &datum;
    let (resource, text): (_, fn(&Value) -> String) = match kind {
        FileKind::Secret => ("secrets", secret),
        FileKind::Claim => return claimed(server, datum, files, answers).await,
        FileKind::ConfigMap | FileKind::Pod | FileKind::Volume | FileKind::Service => {
            ("configmaps", config_map)
        }
    };
    let path = format!(
        "/api/v1/namespaces/{}/{resource}?fieldSelector=metadata.name%3D{}",
        key.namespace, key.name
    );
    let (sender, mut news) = channel(4);
    let mut source = std::pin::pin!(follow(server.clone(), path, sender));
    let name = file_name(*kind, key);
    let mut known = None;
    let mut told = false;
    loop {
        let new = tokio::select! {
            () = &mut source => return,
            new = news.recv() => new,
        };
        let now = match new {
            None => return,
            Some(News::Mark(_)) => continue,
            Some(News::All { items, .. }) => Some(items.into_iter().next()),
            Some(News::Changed(object)) => Some(Some(*object)),
            Some(News::Deleted(_)) => Some(None),
            Some(News::Lost(why)) => {
                log::warn!("{resource} {key}: {why}; what is known of it is kept");
                None
            }
        };
        match now.map(|now| now.as_ref().map(text)) {
            Some(Some(text)) if known.as_ref() != Some(&text) => {
                files.write(name.clone(), text.clone());
                known = Some(text);
            }
            Some(None) => {
                files.remove(name.clone());
                known = None;
            }
            _ => {}
        }
        if !told {
            told = true;
            let _ = answers.send(datum.clone());
        }
    }
}
