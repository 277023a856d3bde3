//! Throws damaged manifests and unit files at their parsers: no input may make them panic, hang or eat memory.
//!
//! `VKS_FUZZ_SECONDS` (default 2) is how long each parser is at it, `VKS_FUZZ_SEED` (default 1) where it begins. An
//! input that is too much is left in `target/fuzz/`.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]
#![expect(clippy::disallowed_methods, reason = "keeps the input that failed")]

use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use vks::kubelet::channels;
use vks::kubelet::spdy::decode::Decoder;
use vks::kubelet::spdy::frame::Frame;
use vks::kubelet::spdy::headers::{self, Headers, Packer, Unpacker};
use vks::source::{format_of, fuzz_one};
use vks::unit::{identity, read};

/// The longest input, in bytes.
const LARGEST: usize = 64 << 10;
/// The most memory of the whole process, in bytes. What a parser wants beyond that ends the test.
const MEMORY: u64 = 2 << 30;
/// No input takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pieces that mean something in one of the formats.
const PIECES: &[&str] = &[
    "---\n",
    "...\n",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: *a\n",
    "|\n",
    ">-\n",
    "? ",
    "!!str ",
    "%YAML 1.2\n",
    "[",
    "]",
    "{",
    "}",
    "[[items]]\n",
    "[a.b]\n",
    "\"\"\"",
    "'''",
    "\\u0000",
    "\\",
    "\"",
    "'",
    "#",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "9223372036854775808",
    "-0",
    "1e999",
    "0x7f",
    "nan",
    "true",
    "null",
    "~",
    "2000-01-01",
    "500m",
    "64Mi",
    "$(A)",
    "$$(A)",
    "kind",
    "apiVersion",
    "metadata",
    "spec",
    "containers",
    "name",
    "[Unit]\n",
    "[Service]\n",
    "[X-kubernetes]\n",
    "ExecStart=",
    "Manifest=",
    "Format=1\n",
    "Role=main\n",
    "\\\n",
    "%n",
    "=",
];

#[test]
fn manifests() {
    let examples = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let seeds = examples.iter().filter(|path| format_of(path).is_some());
    run(
        "manifests",
        seeds.map(|path| fs::read(path).unwrap()).collect(),
        fuzz_one,
    );
}

#[test]
fn unit_files() {
    let examples = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let seeds = examples
        .iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("made")));
    run(
        "unit_files",
        seeds.map(|path| fs::read(path).unwrap()).collect(),
        |input| {
            if let Ok(unit) = read::read(&String::from_utf8_lossy(input)) {
                // What it says of its owner may be nonsense, and must then be an error.
                let _ = identity::read(&unit);
                // A value that ends in a backslash cannot be written: vks has none.
                let mut values = unit.sections.iter().flat_map(|section| &section.entries);
                if values.any(|(_, value)| value.ends_with('\\')) {
                    return;
                }
                assert_eq!(read::read(&unit.to_string()), Ok(unit));
            }
        },
    );
}

/// Bytes that the node's API takes off a connection.
#[test]
fn spdy() {
    let headers = |pairs: &[(&str, &str)]| -> Headers {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect()
    };
    let open = |id, kind: &str| Frame::SynStream {
        id,
        headers: headers(&[("streamtype", kind), ("port", "80")]),
        fin: false,
    };
    let data = |id, size: usize| Frame::Data {
        id,
        data: vec![b'x'; size],
        fin: size == 0,
    };
    let talks = [
        vec![open(1, "error"), open(3, "stdin"), data(3, 20), data(3, 0)],
        vec![
            Frame::Settings { window: Some(9) },
            Frame::Ping { id: 1 },
            open(1, "data"),
        ],
        vec![
            open(1, "a"),
            Frame::Window { id: 1, more: 7 },
            Frame::Reset { id: 1, status: 5 },
            Frame::GoAway { last: 1 },
        ],
    ];
    let talks = talks.iter().map(|talk| {
        let (mut packer, mut bytes) = (Packer::default(), Vec::new());
        talk.iter()
            .for_each(|frame| frame.encode(&mut packer, &mut bytes));
        bytes
    });
    run("spdy", talks.collect(), |input| {
        // In pieces of a length that the input chooses.
        let step = 1 + usize::from(input.first().copied().unwrap_or(0)) * 8;
        let mut decoder = Decoder::default();
        let (mut packer, mut again) = (Packer::default(), Vec::new());
        let mut frames = Vec::new();
        for part in input.chunks(step) {
            decoder.push(part);
            while let Ok(Some(frame)) = decoder.take() {
                assert!(frames.len() <= input.len(), "frames out of nothing");
                if frame != Frame::Unknown {
                    frame.encode(&mut packer, &mut again);
                    frames.push(frame);
                }
            }
        }
        // What was understood is written so that it is understood again.
        let mut decoder = Decoder::default();
        decoder.push(&again);
        for frame in frames {
            assert_eq!(decoder.take(), Ok(Some(frame)));
        }
    });
}

/// Header blocks, packed as others do.
#[test]
fn spdy_headers() {
    let plain = b"\0\0\0\x02\0\0\0\x04port\0\0\0\x0280\0\0\0\x0astreamtype\0\0\0\x04data".to_vec();
    let mut zlib = flate2::Compress::new(flate2::Compression::best(), true);
    let mut packed = Vec::with_capacity(1024);
    zlib.compress_vec(&plain, &mut packed, flate2::FlushCompress::Sync)
        .unwrap();
    let mut ours = Vec::new();
    Packer::default().pack(
        &vec![("streamtype".to_owned(), "data".to_owned())],
        &mut ours,
    );
    run("spdy_headers", vec![plain, packed, ours], |input| {
        let _ = headers::parse(input);
        let mut unpacker = Unpacker::default();
        for block in input.chunks(1 + input.len() / 2) {
            if let Ok(found) = unpacker.unpack(block) {
                let size: usize = found
                    .iter()
                    .map(|(name, value)| name.len() + value.len())
                    .sum();
                assert!(size <= headers::LARGEST);
            }
        }
    });
}

/// Messages of WebSockets.
#[test]
fn channels() {
    let seeds = [
        b"\0hello".to_vec(),
        b"0aGVsbG8=".to_vec(),
        vec![255, 0],
        br#"4{"Width":80,"Height":24}"#.to_vec(),
    ];
    run("channels", seeds.into(), |input| {
        for protocol in channels::PROTOCOLS {
            if let Ok(channels::Event::Data(channel, data)) = channels::decode(protocol, input) {
                let message = channels::encode(protocol, channel, &data);
                let again = channels::decode(protocol, &message);
                assert_eq!(again, Ok(channels::Event::Data(channel, data)));
            }
        }
    });
}

fn run(name: &'static str, corpus: Vec<Vec<u8>>, target: fn(&[u8])) {
    setrlimit(
        Resource::As,
        Rlimit {
            current: Some(MEMORY),
            maximum: None,
        },
    )
    .unwrap();
    let number =
        |key: &str, default: u64| std::env::var(key).map_or(default, |text| text.parse().unwrap());
    let (seconds, seed) = (number("VKS_FUZZ_SECONDS", 2), number("VKS_FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (report, reports) = mpsc::channel();
    thread::spawn(move || {
        let mut mutator = Mutator {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            corpus,
        };
        while Instant::now() < end {
            let input = mutator.next();
            let _ = report.send(Report::Begun(input.clone()));
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                let _ = report.send(Report::Panicked);
                return;
            }
        }
    });
    let (mut last, mut count, mut slowest) = (Vec::new(), 0u64, Duration::ZERO);
    loop {
        let begun = Instant::now();
        match reports.recv_timeout(PATIENCE) {
            Ok(Report::Begun(input)) => {
                slowest = slowest.max(begun.elapsed());
                (last, count) = (input, count + 1);
            }
            Ok(Report::Panicked) => panic!("panics on {}", keep(name, &last).display()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("hangs on {}", keep(name, &last).display())
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    println!("{name}: {count} inputs in {seconds} s, the slowest {slowest:?}, seed {seed}");
}

enum Report {
    Begun(Vec<u8>),
    Panicked,
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, input).unwrap();
    path
}

struct Mutator {
    /// Of xorshift; never 0.
    state: u64,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    /// A number below `limit`, 0 for 0.
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 16).unwrap() % limit.max(1)
    }

    fn next(&mut self) -> Vec<u8> {
        let pick = self.below(self.corpus.len());
        let mut input = self.corpus[pick].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
            input.truncate(LARGEST);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(64)).min(input.len());
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 => drop(input.drain(at..end)),
            2 => {
                let piece = PIECES[self.below(PIECES.len())];
                drop(input.splice(at..at, piece.bytes()));
            }
            3 => {
                let piece = PIECES[self.below(PIECES.len())];
                drop(input.splice(at..end, piece.bytes()));
            }
            // The same again and again: depth and length.
            4 => {
                let piece = PIECES[self.below(PIECES.len())].repeat(1 + self.below(4000));
                drop(input.splice(at..at, piece.bytes()));
            }
            5 => {
                let times = 1 + self.below(200);
                let copy = input[at..end].repeat(times);
                drop(input.splice(at..at, copy));
            }
            6 => {
                let pick = self.below(self.corpus.len());
                let from = self.below(self.corpus[pick].len());
                let tail = self.corpus[pick][from..].to_vec();
                drop(input.splice(at.., tail));
            }
            _ => input.truncate(at),
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
