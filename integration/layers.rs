//! The rules of the source tree, checked on its text: who may use whom, how long a file may be, what it must not contain.
//!
//! The table here and the one in ARCHITECTURE.md say the same; this one is enforced. All violations are
//! reported at once, as `file:line: what`.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]

#[path = "layers/tokens.rs"]
mod tokens;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tokens::Token;

/// Lines of a source file, tests in it included.
const LONGEST_FILE: usize = 400;

/// What a folder of `src/` may use.
struct Layer {
    name: &'static str,
    /// Folders of ours.
    ours: &'static [&'static str],
    /// Outside crates beside std.
    crates: &'static [&'static str],
    /// No input or output, no clock, no environment: not in any form, std included.
    pure: bool,
    /// May write log lines at info and above.
    logs: bool,
}

const ANY: &[&str] = &["*"];

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { name: "model", ours: &[], pure: true, logs: false,
        crates: &["jiff", "serde", "serde_json", "sha2", "thiserror"] },
    Layer { name: "unit", ours: &["model"], pure: true, logs: false,
        crates: &["sha2", "thiserror"] },
    Layer { name: "config", ours: &["model"], pure: false, logs: false,
        crates: &["serde", "thiserror", "toml", "nix", "rustix"] },
    Layer { name: "source", ours: &["model", "config"], pure: false, logs: false,
        crates: &["futures_util", "inotify", "jiff", "log", "saphyr", "saphyr_parser", "serde", "serde_json", "sha2",
                  "thiserror", "tokio", "toml", "rustix", "nix"] },
    Layer { name: "plan", ours: &["model", "unit", "config"], pure: true, logs: false,
        crates: &["jiff", "serde", "serde_json", "thiserror"] },
    Layer { name: "host", ours: &["model", "unit"], pure: false, logs: false,
        crates: &["composefs_ioctls", "flate2", "futures_util", "listenfd", "log", "nix", "reqwest", "rtnetlink", "rustix", "rustls", "sd_notify", "serde",
                  "serde_json", "sha2", "tar", "thiserror", "tokio", "wireguard_control", "zbus", "inotify", "jiff", "zstd"] },
    Layer { name: "apply", ours: &["plan", "host", "model", "unit"], pure: false, logs: false,
        crates: &["futures_util", "log", "thiserror", "tokio"] },
    Layer { name: "observe", ours: &["host", "model", "unit"], pure: false, logs: false,
        crates: &["futures_util", "jiff", "log", "serde", "serde_json", "thiserror", "tokio"] },
    Layer { name: "report", ours: &["model"], pure: false, logs: false,
        crates: &["log", "sd_notify", "serde", "serde_json", "thiserror", "tokio"] },
    Layer { name: "kubelet", ours: &["model", "host"], pure: false, logs: true,
        crates: &["axum", "flate2", "futures_util", "http_body_util", "hyper", "hyper_util", "jiff", "k8s_openapi", "kube",
                  "log", "nix", "rustix", "rustls", "serde", "serde_json", "sha2", "thiserror", "tokio", "tokio_rustls",
                  "x509_parser"] },
    Layer { name: "worker", ours: &["model", "unit", "config", "host", "plan"], pure: false, logs: true,
        crates: &["defguard_boringtun", "futures_util", "hickory_resolver", "hickory_server", "http_body_util", "hyper", "hyper_util", "jiff", "log", "nix",
                  "rustix", "rustls",
                  "sd_notify", "systemd_journal_logger", "serde", "serde_json", "sha2", "thiserror", "tokio", "tokio_rustls", "zbus"] },
    Layer { name: "agent", pure: false, logs: true, crates: ANY,
        ours: &["config", "source", "plan", "apply", "observe", "report", "kubelet", "host", "model", "unit", "worker"] },
    Layer { name: "cli", ours: ANY, crates: ANY, pure: false, logs: true },
    // main.rs and lib.rs
    Layer { name: "", ours: ANY, crates: ANY, pure: false, logs: true },
];

/// Crates that only one folder may know, whatever else the table allows.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("clap", &["cli", ""]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

/// Parts of std that reach out of the process or read its surroundings.
const IMPURE_STD: &[&str] = &["env", "fs", "os", "process", "thread"];

#[test]
fn the_source_tree_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let mut found = Vec::new();
    for path in rust_files(&root.join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let file = File::new(path.strip_prefix(root).unwrap(), &text);
        found.extend(file.problems(&crates));
    }
    assert!(
        found.is_empty(),
        "{} violations:\n{}\n",
        found.len(),
        found.join("\n")
    );
}

/// The names under `[dependencies]`, as code writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

struct File<'a> {
    /// Below the top of the repository.
    path: &'a Path,
    text: &'a str,
    /// `["plan", "units", "pod"]` for `src/plan/units/pod.rs`.
    module: Vec<String>,
}

impl<'a> File<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        let below = path.strip_prefix("src").unwrap().with_extension("");
        let parts = below.iter().map(|part| part.to_str().unwrap().to_owned());
        let module = parts
            .filter(|part| !matches!(part.as_str(), "mod" | "lib" | "main"))
            .collect();
        Self { path, text, module }
    }

    fn problems(&self, crates: &BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        let lines = self.text.lines().count();
        if lines > LONGEST_FILE {
            found.push(self.at(
                lines,
                &format!(
                    "longer than {LONGEST_FILE} lines: move a part of it to a file of its own"
                ),
            ));
        }
        if self.is_test() {
            return found;
        }
        if !self.text.starts_with("//!") {
            found.push(self.at(1, "does not begin with //! and what the file is for"));
        }
        let folder = if self.module.len() > 1 || self.path.ends_with("mod.rs") {
            self.module[0].as_str()
        } else {
            ""
        };
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == folder) else {
            found.push(self.at(
                1,
                &format!("{folder} has no place in the table of {}", file!()),
            ));
            return found;
        };
        let (tokens, _) = tokens::without_tests(tokens::tokens(self.text));
        found.extend(self.uses(layer, &tokens, crates));
        found.extend(self.panics(&tokens));
        if !layer.logs {
            found.extend(self.logs(&tokens));
        }
        found
    }

    /// The module, or one above it, is declared under `#[cfg(test)]`.
    fn is_test(&self) -> bool {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        (1..=self.module.len()).any(|end| {
            let (name, above) = self.module[..end].split_last().unwrap();
            let stem: PathBuf = above.iter().collect();
            let parents = [
                root.join(&stem).join("mod.rs"),
                root.join(&stem).with_extension("rs"),
                root.join("lib.rs"),
            ];
            let parent = parents
                .iter()
                .find(|path| path.is_file())
                .and_then(|path| fs::read_to_string(path).ok());
            parent.is_some_and(|text| {
                tokens::without_tests(tokens::tokens(&text))
                    .1
                    .contains(name)
            })
        })
    }

    fn uses(&self, layer: &Layer, tokens: &[Token], crates: &BTreeSet<String>) -> Vec<String> {
        let mut found = BTreeSet::new();
        for path in tokens::paths(tokens, &self.module) {
            let (first, second) = (
                path.parts[0].as_str(),
                path.parts.get(1).map_or("", String::as_str),
            );
            let problem = match first {
                "crate" => {
                    let known = LAYERS
                        .iter()
                        .any(|other| other.name == second && !second.is_empty());
                    (known && second != layer.name && !allows(layer.ours, second))
                        .then(|| format!("{} may not use crate::{second}", layer.name))
                }
                "std" => (layer.pure && IMPURE_STD.contains(&second))
                    .then(|| format!("{} is pure: not std::{second}", layer.name)),
                name if crates.contains(name) => {
                    let reserved = ONLY_IN
                        .iter()
                        .any(|(only, places)| *only == name && !places.contains(&layer.name));
                    (reserved || !allows(layer.crates, name))
                        .then(|| format!("{} may not use {name}", layer.name))
                }
                _ => None,
            };
            found.extend(problem.map(|problem| (path.line, problem)));
            if layer.pure && path.parts.ends_with(&["now".to_owned()]) {
                found.insert((
                    path.line,
                    format!("{} is pure: it is told what time it is", layer.name),
                ));
            }
        }
        found
            .iter()
            .map(|(line, problem)| self.at(*line, problem))
            .collect()
    }

    /// `unwrap()` and `expect()` with no `#[expect(clippy::…, reason = …)]` close above.
    fn panics(&self, tokens: &[Token]) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let calls = tokens.windows(3).filter(|window| {
            window[0].text == "."
                && matches!(window[1].text.as_str(), "unwrap" | "expect")
                && window[2].text == "("
        });
        let excused = |line: usize| {
            let above = lines[line.saturating_sub(12)..line].join(" ");
            above.contains("clippy::expect_used") || above.contains("clippy::unwrap_used")
        };
        calls
            .map(|window| &window[1])
            .filter(|word| !excused(word.line))
            .map(|word| {
                self.at(
                    word.line,
                    &format!("{}() outside tests: return an error", word.text),
                )
            })
            .collect()
    }

    fn logs(&self, tokens: &[Token]) -> Vec<String> {
        let macros = tokens.windows(2).filter(|window| {
            matches!(window[0].text.as_str(), "info" | "warn" | "error") && window[1].text == "!"
        });
        macros
            .map(|window| {
                self.at(
                    window[0].line,
                    "logs: return what happened, the agent logs it",
                )
            })
            .collect()
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }
}

fn allows(list: &[&str], name: &str) -> bool {
    list.contains(&"*") || list.contains(&name)
}

#[test]
fn paths_are_found_in_uses_and_in_code() {
    let text = r##"
        use crate::{model::{name, pod as p}, unit};
        // use crate::cli;
        mod inner { use super::super::volumes; fn f() { super::g::<crate::host::X>("crate::agent", 'x', b"\""); } }
        #[cfg(test)] mod tests { use crate::source; }
        #[cfg(test)]
        mod cases;
        fn f<'a>() -> tokio::io::Result<()> { let r = r#"nix::x"#; jiff::Zoned::now() }
    "##;
    let (kept, modules) = tokens::without_tests(tokens::tokens(text));
    assert_eq!(modules, ["cases"]);
    let here = ["plan".to_owned(), "units".to_owned()];
    let found: Vec<String> = tokens::paths(&kept, &here)
        .iter()
        .map(|path| path.parts.join("::"))
        .collect();
    let wanted = [
        "crate::model::name",
        "crate::model::pod",
        "crate::unit",
        "crate::plan::volumes",
        "crate::plan::units::g",
        "crate::host::X",
        "tokio::io::Result",
        "jiff::Zoned::now",
    ];
    assert_eq!(found, wanted);
}
