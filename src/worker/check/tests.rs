//! Checks against small servers on loopback, in the network namespace of the test itself.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

fn me() -> Target {
    Target {
        pid: std::process::id(),
    }
}

/// Answers each connection with the next of some texts; tells its port.
fn server(answers: Vec<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn skip(what: &str) -> bool {
    if !is_root() {
        eprintln!("SKIP {what}: a visit to a network namespace needs root");
    }
    !is_root()
}

async fn http(answers: Vec<&'static str>) -> Result<Option<Warning>, CheckError> {
    let get = HttpGet {
        host: None,
        port: server(answers),
        path: "/x?y=1".into(),
        https: false,
        headers: vec![],
    };
    check(&Check::HttpGet(get), me(), Duration::from_secs(5)).await
}

#[tokio::test]
async fn http_status_decides() {
    if skip("http_status_decides") {
        return;
    }
    assert!(http(vec!["HTTP/1.1 204 x\r\n\r\n"]).await.is_ok());
    let error = http(vec!["HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n"])
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "HTTP probe failed with statuscode: 500");
    let elsewhere =
        "HTTP/1.1 302 x\r\nlocation: http://example.invalid/\r\ncontent-length: 0\r\n\r\n";
    let warning = http(vec![elsewhere]).await.unwrap().unwrap();
    assert_eq!(warning, "Probe terminated redirects, Response body: ");
    let beside = "HTTP/1.1 302 x\r\nlocation: z\r\ncontent-length: 0\r\n\r\n";
    let good = "HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(http(vec![beside, good]).await.unwrap(), None);
    let broken = "HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nx";
    assert!(http(vec![broken]).await.is_err());
    let here = "HTTP/1.1 302 x\r\nlocation: /z\r\ncontent-length: 0\r\n\r\n";
    assert!(
        http(vec![here, "HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n"])
            .await
            .is_err()
    );
    assert!(http(vec!["nonsense\r\n\r\n"]).await.is_err());
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    if skip("a_server_that_never_answers_times_out") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let get = HttpGet {
        host: None,
        port,
        path: "/".into(),
        https: false,
        headers: vec![],
    };
    let result = check(&Check::HttpGet(get), me(), Duration::from_millis(200)).await;
    assert!(matches!(result, Err(CheckError::TimedOut(_))));
    let tcp = Check::TcpSocket { host: None, port };
    assert!(check(&tcp, me(), Duration::from_secs(5)).await.is_ok());
    drop(listener);
    assert!(check(&tcp, me(), Duration::from_secs(5)).await.is_err());
}
