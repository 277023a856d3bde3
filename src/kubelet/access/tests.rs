use super::*;
use futures_util::future::BoxFuture;
use std::sync::Mutex;

/// Knows one token, and allows what is on its list.
#[derive(Default)]
struct Table {
    allowed: Vec<(&'static str, &'static str)>,
    asked: Mutex<Vec<String>>,
}

impl Reviewer for Table {
    fn whose<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>> {
        self.asked.lock().unwrap().push(token.to_owned());
        let user = (token == "good").then(|| user("bob", &[]));
        Box::pin(async move { Ok(user) })
    }

    fn may<'a>(
        &'a self,
        user: &'a User,
        deed: &'a Deed,
        _: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>> {
        let asked = format!("{} {} {}", user.name, deed.verb, deed.subresource);
        self.asked.lock().unwrap().push(asked);
        let allowed = self.allowed.contains(&(deed.verb, deed.subresource));
        Box::pin(async move { Ok(allowed) })
    }
}

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..User::default()
    }
}

fn headers(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, text.parse().unwrap());
    headers
}

async fn code(access: &Access, certificate: Option<&User>, path: &str, headers: &HeaderMap) -> u16 {
    match access.check(certificate, &Method::GET, path, headers).await {
        Ok(_) => 200,
        Err(refusal) => refusal.status.as_u16(),
    }
}

#[tokio::test]
async fn without_a_name_nothing_is_done() {
    let none = HeaderMap::new();
    for reviewer in [None, Some(Arc::new(Table::default()) as Arc<dyn Reviewer>)] {
        let access = Access::new("n".into(), reviewer);
        for path in ["/pods", "/healthz", "/metrics", "/", "/exec/a/b/c"] {
            assert_eq!(code(&access, None, path, &none).await, 401, "{path}");
        }
        for wrong in ["Bearer", "Bearer ", "Basic good", "good", "Bearer bad"] {
            assert_eq!(
                code(&access, None, "/pods", &headers(wrong)).await,
                401,
                "{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_reviewer_only_masters_pass() {
    let access = Access::new("n".into(), None);
    let none = HeaderMap::new();
    let master = user("a", &["x", "system:masters"]);
    assert_eq!(
        code(&access, Some(&master), "/exec/a/b/c", &none).await,
        200
    );
    assert_eq!(
        code(&access, Some(&user("a", &["x"])), "/exec/a/b/c", &none).await,
        403
    );
    assert_eq!(
        code(&access, None, "/pods", &headers("Bearer good")).await,
        401
    );
}

#[tokio::test]
async fn each_path_has_its_subresources() {
    let none = HeaderMap::new();
    let bob = user("bob", &[]);
    let cases: &[(&'static str, &[&str], &[&str])] = &[
        (
            "metrics",
            &["/metrics", "/metrics/resource"],
            &["/stats/summary", "/pods", "/exec/a"],
        ),
        ("stats", &["/stats/summary"], &["/metrics", "/logs/"]),
        (
            "pods",
            &["/pods", "/runningpods/"],
            &["/exec/a", "/configz"],
        ),
        ("healthz", &["/healthz", "/healthz/ping"], &["/pods"]),
        (
            "configz",
            &["/configz", "/flagz"],
            &["/healthz", "/statusz"],
        ),
        ("statusz", &["/statusz"], &["/flagz", "/metrics"]),
        ("log", &["/logs/", "/logs/x"], &["/containerLogs/a/b/c"]),
        (
            "proxy",
            &["/exec/a", "/pods", "/healthz", "/configz", "/anything"],
            &["/metrics", "/stats", "/logs/", "/statusz", "/flagz"],
        ),
    ];
    for (right, may, may_not) in cases {
        let table = Table {
            allowed: vec![("get", right)],
            ..Table::default()
        };
        let access = Access::new("n".into(), Some(Arc::new(table)));
        for path in *may {
            assert_eq!(
                code(&access, Some(&bob), path, &none).await,
                200,
                "{right} {path}"
            );
        }
        for path in *may_not {
            assert_eq!(
                code(&access, Some(&bob), path, &none).await,
                403,
                "{right} {path}"
            );
        }
        let posted = access.check(Some(&bob), &Method::POST, may[0], &none).await;
        let text = posted.unwrap_err().text;
        assert!(
            text.starts_with("Forbidden (user=bob, verb=create, resource=nodes"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn answers_are_remembered() {
    let table = Arc::new(Table {
        allowed: vec![("get", "stats")],
        ..Table::default()
    });
    let access = Access::new("n".into(), Some(Arc::clone(&table) as Arc<dyn Reviewer>));
    let good = headers("bearer good");
    for _ in 0..3 {
        assert_eq!(code(&access, None, "/stats/summary", &good).await, 200);
        assert_eq!(code(&access, None, "/metrics", &good).await, 403);
    }
    let asked = table.asked.lock().unwrap().join(", ");
    assert_eq!(asked, "good, bob get stats, bob get metrics");
}
