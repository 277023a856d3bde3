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
