//! `grpc.health.v1.Health/Check` over HTTP/2 without TLS.
//!
//! The two messages are so small that they are written by hand: the request has one string field (the service), the
//! answer one enumeration (1 is SERVING). Wire format: gRPC over HTTP/2, protobuf encoding.

use super::{CheckError, OWN_HOST, Target, connect};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u64 = 1;

pub(super) async fn serving(target: Target, port: u16, service: &str) -> Result<(), CheckError> {
    let stream = connect(target, None, port).await?;
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (mut sender, connection) = handshake.await.map_err(CheckError::failed)?;
    let request = Request::post(format!(
        "http://{OWN_HOST}:{port}/grpc.health.v1.Health/Check"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header(
        "user-agent",
        concat!("kube-probe/vks-", env!("CARGO_PKG_VERSION")),
    )
    .body(Full::new(Bytes::from(frame(service))))
    .map_err(CheckError::failed)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(CheckError::failed)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(CheckError::failed)?;
        let trailers = body.trailers().cloned().unwrap_or(head.headers);
        judge(&trailers, &body.to_bytes())
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// The request with its prefix: not compressed, length, then field 1 as a string.
fn frame(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut out = vec![0];
    // A service name is far shorter than 4 GiB: manifests are at most 4 MiB.
    out.extend_from_slice(
        &u32::try_from(message.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    out.extend(message);
    out
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn judge(trailers: &HeaderMap, body: &[u8]) -> Result<(), CheckError> {
    let text = |name| {
        trailers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    match text("grpc-status") {
        "0" => {}
        code => {
            let message = text("grpc-message");
            return Err(CheckError::Failed(format!(
                "the health check failed with gRPC status {code} {message}"
            )));
        }
    }
    match status(body.get(5..).unwrap_or_default()) {
        Some(SERVING) => Ok(()),
        other => Err(CheckError::Failed(format!(
            "the service does not serve: status {}",
            other.map_or("unknown".to_owned(), |number| number.to_string())
        ))),
    }
}

/// Field 1 of the answer; absent means 0. `None` when the message is not understood.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut found = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = take_varint(&mut message)?;
                if key >> 3 == 1 {
                    found = value;
                }
            }
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(found)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_framed() {
        assert_eq!(frame(""), [0, 0, 0, 0, 0]);
        assert_eq!(frame("a"), [0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        assert_eq!(frame(&"x".repeat(200))[5..8], [0x0a, 0xc8, 1]);
    }

    #[test]
    fn answers_are_read_strictly() {
        assert_eq!(status(&[8, 1]), Some(1));
        assert_eq!(status(&[]), Some(0));
        assert_eq!(status(&[0x12, 1, 9, 8, 2]), Some(2));
        for bad in [&[8][..], &[0x0a, 5, 1], &[8, 0xff, 0xff], &[13, 1]] {
            assert_eq!(status(bad), None, "{bad:?}");
        }
        let mut good = HeaderMap::new();
        good.insert("grpc-status", "0".parse().unwrap());
        assert!(judge(&good, &[0, 0, 0, 0, 2, 8, 1]).is_ok());
        assert!(judge(&good, &[0, 0, 0, 0, 2, 8, 2]).is_err());
        assert!(judge(&HeaderMap::new(), &[0, 0, 0, 0, 2, 8, 1]).is_err());
    }
}
