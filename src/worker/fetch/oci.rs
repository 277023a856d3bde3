//! Images of registries.

use super::host_auth;
use super::{FetchError, Found, status};
use crate::config::Settings;
use crate::host::oci::{Auth, Mirror, Platform, Progress, PullError, PullRequest, pull};
use crate::model::image::fetch::Request;
use crate::model::image::oci::OciRef;
use crate::model::image::registry::Credentials;
use crate::model::image::resolved::{Content, Resolved};
use std::sync::atomic::{AtomicU64, Ordering};

/// Progress is told again after so many bytes.
const STEP: u64 = 8 << 20;

/// Pulls an image with each of the credentials there are until one is let in: those of the pods, those of the host, none.
pub(super) fn fetch(
    image: &OciRef,
    request: &Request,
    settings: &Settings,
) -> Result<Found, FetchError> {
    let mut last = None;
    let of_host = host_auth::of_host(image, settings);
    let host: Vec<Credentials> = of_host.into_iter().collect();
    let tried = request.credentials.iter().map(|found| (Some(found), false));
    // Last without: what anybody may have needs no name. Only then, others may use it too.
    let tried = tried.chain(host.iter().map(|found| (Some(found), true)));
    for (credentials, open) in tried.chain([(None, true)]) {
        let asked = pull_request(image, credentials, settings)?;
        match run(&asked) {
            Ok((unpacked, fetched)) => {
                return Ok(Found {
                    size: unpacked.size,
                    resolved: Resolved {
                        reference: request.reference.clone(),
                        id: format!("{}@{}", image.name(), unpacked.digest),
                        content: Content::Oci(unpacked),
                    },
                    fetched,
                    open,
                });
            }
            Err(error @ (PullError::Unauthorized { .. } | PullError::NotFound { .. })) => {
                last = last.or(Some(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or(FetchError::Kind(image.to_string()), FetchError::from))
}

fn run(request: &PullRequest) -> Result<(crate::model::oci::Unpacked, bool), PullError> {
    let runtime = super::super::runtime().map_err(|_| PullError::GivenUp)?;
    let name = request.name();
    let (done, said) = (AtomicU64::new(0), AtomicU64::new(0));
    let fetched = AtomicU64::new(0);
    let progress = |progress: Progress| match progress {
        Progress::Resolved { missing, .. } => {
            fetched.store(1, Ordering::Relaxed);
            log::info!("pulling {name}: {missing} bytes");
        }
        Progress::Fetched {
            done: here, total, ..
        } => {
            done.fetch_max(here, Ordering::Relaxed);
            let before = said.load(Ordering::Relaxed);
            if here >= before + STEP || here == total {
                said.store(here, Ordering::Relaxed);
                status(&format!(
                    "pulling {name}: {here} of {total} bytes of a layer"
                ));
            }
        }
        Progress::Unpacked { .. } => status(&format!("pulling {name}: a layer is here")),
    };
    let image = runtime.block_on(pull(request, &progress))?;
    Ok((image, fetched.into_inner() == 1))
}

fn pull_request(
    image: &OciRef,
    credentials: Option<&Credentials>,
    settings: &Settings,
) -> Result<PullRequest, FetchError> {
    let access = settings.images.registry(&image.registry);
    let certificates = match &access.ca {
        Some(path) => vec![
            std::fs::read(path)
                .map_err(|source| FetchError::System("read the registry's certificates", source))?,
        ],
        None => Vec::new(),
    };
    let digest = image.digest.as_deref().map(str::parse).transpose();
    Ok(PullRequest {
        registry: image.registry.clone(),
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        digest: digest.map_err(|_| FetchError::Kind(image.to_string()))?,
        platform: Platform::default(),
        auth: credentials.map_or(Auth::Anonymous, auth),
        mirrors: access
            .mirrors
            .iter()
            .map(|url| Mirror {
                url: url.clone(),
                auth: Auth::Anonymous,
            })
            .collect(),
        certificates,
        plain_http: access.http,
        proxy: access.proxy.clone(),
        limits: Default::default(),
        store: settings.layout.images(),
    })
}

fn auth(credentials: &Credentials) -> Auth {
    match credentials {
        Credentials::Basic { user, password } => Auth::Basic(user.clone(), password.clone()),
        Credentials::Identity(token) => Auth::Identity(token.clone()),
        Credentials::Bearer(token) => Auth::Bearer(token.clone()),
    }
}
