//! The node's sign of life, and what it tells of the cluster: a lease that is another one than before, or gone, means that
//! the Node object may be gone too (deleted, or with all that the server knew), since the lease goes with it.

use super::api::{CallError, Server};
use super::node::now;
use crate::report::lease;
use serde_json::Value;

/// The lease as the server had it last.
#[derive(Debug, Default)]
pub struct Lease {
    version: Option<String>,
    uid: Option<String>,
}

impl Lease {
    /// Renews it, and makes it if there is none. Whether it is another one than the last time.
    pub async fn renew(
        &mut self,
        server: &Server,
        node: &str,
        node_uid: Option<&str>,
    ) -> Result<bool, CallError> {
        let all = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            lease::NAMESPACE
        );
        let path = format!("{all}/{node}");
        let time = now().to_rfc3339_nano();
        // Microseconds: nine digits, of which the last three are zero.
        let time = format!(
            "{}Z",
            time.trim_end_matches('Z')
                .strip_suffix("000")
                .unwrap_or(&time)
        );
        if self.version.is_none() {
            match server.get(&path).await {
                Ok(found) => self.version = text(&found, "resourceVersion"),
                Err(error) if error.is_absent() => {
                    let made = lease::lease(node, node_uid, &time, None);
                    let made = server.create(&all, &made).await?;
                    return Ok(self.learn(&made));
                }
                Err(error) => return Err(error),
            }
        }
        let wanted = lease::lease(node, node_uid, &time, self.version.as_deref());
        match server.replace(&path, &wanted).await {
            Ok(made) => Ok(self.learn(&made)),
            Err(error) => {
                // Somebody has changed it, or it is gone: looked at anew the next time.
                self.version = None;
                match (error.is_absent(), error.is_conflict()) {
                    (true, _) => Ok(true),
                    (_, true) => Ok(false),
                    _ => Err(error),
                }
            }
        }
    }

    /// What the server has now. Whether it is another lease than the last one.
    fn learn(&mut self, object: &Value) -> bool {
        self.version = text(object, "resourceVersion");
        let uid = text(object, "uid");
        let other = self.uid.is_some() && self.uid != uid;
        self.uid = uid;
        other
    }
}

fn text(object: &Value, key: &str) -> Option<String> {
    object["metadata"][key].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_lease_is_noticed_and_the_first_is_none() {
        let mut lease = Lease::default();
        let of = |uid, version| json!({"metadata": {"uid": uid, "resourceVersion": version}});
        assert!(!lease.learn(&of("a", "1")));
        assert!(!lease.learn(&of("a", "2")));
        assert_eq!(lease.version.as_deref(), Some("2"));
        // Somebody else has changed it: looked at anew, and still the same.
        lease.version = None;
        assert!(!lease.learn(&of("a", "5")));
        assert!(lease.learn(&of("b", "3")));
        assert!(!lease.learn(&of("b", "4")));
    }
}
