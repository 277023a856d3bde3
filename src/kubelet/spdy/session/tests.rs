//! A client made of frames, at the other end of a pipe.

use super::*;
use crate::kubelet::spdy::headers::value;
use tokio::io::DuplexStream;

struct Client {
    pipe: DuplexStream,
    decoder: Decoder,
    packer: Packer,
}

impl Client {
    fn begin() -> (Self, Session) {
        let (pipe, server) = tokio::io::duplex(4096);
        let client = Self {
            pipe,
            decoder: Decoder::default(),
            packer: Packer::default(),
        };
        (client, Session::new(server))
    }

    async fn send(&mut self, frame: Frame) {
        let mut bytes = Vec::new();
        frame.encode(&mut self.packer, &mut bytes);
        self.pipe.write_all(&bytes).await.unwrap();
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.take().unwrap() {
                return Some(frame);
            }
            let mut bytes = [0; 1024];
            match self.pipe.read(&mut bytes).await.unwrap() {
                0 => return None,
                count => self.decoder.push(&bytes[..count]),
            }
        }
    }

    async fn open(&mut self, id: u32, kind: &str) {
        let headers = vec![("streamtype".to_owned(), kind.to_owned())];
        self.send(Frame::SynStream {
            id,
            headers,
            fin: false,
        })
        .await;
        let reply = self.next().await.unwrap();
        assert!(matches!(reply, Frame::SynReply { id: found, fin: false, .. } if found == id));
    }

    async fn data(&mut self, id: u32, data: &[u8], fin: bool) {
        let data = data.to_vec();
        self.send(Frame::Data { id, data, fin }).await;
    }
}

#[tokio::test]
async fn a_stream_goes_both_ways_and_closes_by_halves() {
    let (mut client, mut session) = Client::begin();
    client.open(1, "stdin").await;
    let mut stream = session.accept().await.unwrap();
    assert_eq!(value(&stream.headers, "streamtype"), Some("stdin"));
    client.data(1, b"hello", false).await;
    client.data(1, b"", true).await;
    assert_eq!(stream.reader.read().await.unwrap().unwrap(), b"hello");
    assert_eq!(stream.reader.read().await, Ok(None));
    assert_eq!(stream.reader.read().await, Ok(None));
    // The other half is open still.
    stream.writer.write(b"world").await.unwrap();
    stream.writer.finish().await.unwrap();
    let data = b"world".to_vec();
    assert_eq!(
        client.next().await,
        Some(Frame::Data {
            id: 1,
            data,
            fin: false
        })
    );
    assert_eq!(
        client.next().await,
        Some(Frame::Data {
            id: 1,
            data: vec![],
            fin: true
        })
    );
    let closing = tokio::spawn(session.close());
    assert_eq!(client.next().await, None);
    drop(client);
    closing.await.unwrap();
}

#[tokio::test]
async fn pings_are_answered_and_numbers_are_checked() {
    let (mut client, _session) = Client::begin();
    client.send(Frame::Ping { id: 1 }).await;
    assert_eq!(client.next().await, Some(Frame::Ping { id: 1 }));
    client.send(Frame::Ping { id: 2 }).await;
    client.open(5, "x").await;
    for id in [5, 3, 8] {
        client
            .send(Frame::SynStream {
                id,
                headers: vec![],
                fin: false,
            })
            .await;
        let status = status::PROTOCOL;
        assert_eq!(client.next().await, Some(Frame::Reset { id, status }));
    }
}

#[tokio::test]
async fn whoever_is_cut_off_hears_of_it() {
    let (mut client, mut session) = Client::begin();
    client.open(1, "a").await;
    client.open(3, "b").await;
    client.open(5, "c").await;
    let mut first = session.accept().await.unwrap();
    let mut second = session.accept().await.unwrap();
    let third = session.accept().await.unwrap();
    client.send(Frame::Reset { id: 1, status: 5 }).await;
    assert_eq!(first.reader.read().await, Err(Gone));
    first.writer.broken_off().await;
    assert_eq!(first.writer.write(b"x").await, Err(Gone));
    drop(third);
    let status = status::CANCEL;
    assert_eq!(client.next().await, Some(Frame::Reset { id: 5, status }));
    drop(client);
    assert_eq!(second.reader.read().await, Err(Gone));
    second.writer.broken_off().await;
    assert!(session.accept().await.is_none());
}

#[tokio::test]
async fn windows_count_once_the_peer_knows_of_them() {
    let (mut client, mut session) = Client::begin();
    client.open(1, "a").await;
    let mut stream = session.accept().await.unwrap();
    client.send(Frame::Settings { window: Some(10) }).await;
    client.send(Frame::Ping { id: 1 }).await;
    client.next().await;
    let writing = tokio::spawn(async move {
        stream.writer.write(&[7; 25]).await.unwrap();
        stream
    });
    let piece = |size: usize| {
        Some(Frame::Data {
            id: 1,
            data: vec![7; size],
            fin: false,
        })
    };
    assert_eq!(client.next().await, piece(10));
    client.send(Frame::Window { id: 1, more: 12 }).await;
    assert_eq!(client.next().await, piece(12));
    client.send(Frame::Window { id: 1, more: 12 }).await;
    assert_eq!(client.next().await, piece(3));
    writing.await.unwrap();
}

#[tokio::test]
async fn a_reader_that_takes_says_so() {
    let (mut client, mut session) = Client::begin();
    client.open(1, "a").await;
    let mut stream = session.accept().await.unwrap();
    let reading = tokio::spawn(async move {
        let mut total = 0;
        while let Some(data) = stream.reader.read().await.unwrap() {
            total += data.len();
        }
        (total, stream)
    });
    for _ in 0..40 {
        client.data(1, &[1; 1000], false).await;
    }
    client.data(1, b"", true).await;
    let frame = client.next().await;
    assert!(
        matches!(
            frame,
            Some(Frame::Window {
                id: 1,
                more: 32768..
            })
        ),
        "{frame:?}"
    );
    assert_eq!(reading.await.unwrap().0, 40_000);
}

#[tokio::test]
async fn one_who_reads_nothing_costs_no_more_than_the_bounds() {
    let (mut client, mut session) = Client::begin();
    client.open(1, "a").await;
    let _stream = session.accept().await.unwrap();
    // Nobody reads the stream: what may wait for it is taken, and then nothing any more.
    let most = WAITING_PIECES * 1000 + 2 * AT_ONCE + 8192;
    let mut sent = 0;
    while sent < 10 * most {
        let sending = client.data(1, &[1; 1000], false);
        match timeout(Duration::from_millis(200), sending).await {
            Ok(()) => sent += 1000,
            Err(_) => break,
        }
    }
    assert!(sent <= most, "{sent} of {most}");
}

#[tokio::test]
async fn too_many_streams_are_refused() {
    let (mut client, mut session) = Client::begin();
    let mut kept = Vec::new();
    for number in 0..MOST_STREAMS {
        client
            .open(u32::try_from(number).unwrap() * 2 + 1, "a")
            .await;
        kept.push(session.accept().await.unwrap());
    }
    let id = 99_999;
    client
        .send(Frame::SynStream {
            id,
            headers: vec![],
            fin: false,
        })
        .await;
    let status = status::REFUSED;
    assert_eq!(client.next().await, Some(Frame::Reset { id, status }));
    // A place is free again when a stream is over.
    drop(kept.pop());
    client.next().await;
    client.open(100_001, "a").await;
}
