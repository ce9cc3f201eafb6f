//! A folder for each test, the program run in it, and what it must have said.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;
use treffer_eval::Run;

/// A folder in which a test runs the program. Removed with the test.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let here = Place::empty();
        for (name, content) in files {
            here.write(name, content);
        }
        here
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a copy of a file as gzip and one as zstd, with the ending added.
    pub(crate) fn compress(&self, name: &str) {
        let bytes = fs::read(self.path(name)).unwrap();
        self.write(&format!("{name}.gz"), gzip(&bytes));
        self.write(
            &format!("{name}.zst"),
            zstd::encode_all(&bytes[..], 1).unwrap(),
        );
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces a part of a file that must be there.
    pub(crate) fn edit(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} does not hold {old}:\n{text}");
        self.write(name, text.replace(old, new));
    }

    /// Flips one bit in the middle of a file.
    pub(crate) fn damage(&self, name: &str) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.write(name, bytes);
    }

    /// Every file below a folder, by name and content.
    pub(crate) fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.path(name)]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// Runs the program with these words; `'...'` holds a word with blanks in it.
    pub(crate) fn treffer(&self, words: &str) -> Ran {
        self.treffer_reading(words, b"")
    }

    /// As [`Place::treffer`], with `input` as standard input.
    pub(crate) fn treffer_reading(&self, words: &str, input: &[u8]) -> Ran {
        let mut child = self.command(words).spawn().unwrap();
        // A program that does not read its input to the end has its reasons.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::new(words, child.wait_with_output().unwrap())
    }

    /// The program, ready to be started with pipes on all sides.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_treffer"));
        command
            .args(split(words))
            .current_dir(self.folder.path())
            // No test may reach for the user's models, or for the network.
            .env("TREFFER_MODELS", self.path("models"))
            .env("TREFFER_OFFLINE", "1")
            .env_remove("COLUMNS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A run that the program wrote, as it reads it: without a bad line.
#[track_caller]
pub(crate) fn run_of(text: &str) -> Run {
    let mut fail = |problem: &treffer_corpus::Problem| panic!("{problem}");
    let reader = Cursor::new(text.as_bytes().to_vec());
    let rankings = treffer_corpus::run_from_reader(reader, Path::new("run"), None, &mut fail);
    treffer_engine::runs::run_of(rankings.unwrap())
}

fn split(words: &str) -> Vec<String> {
    let mut split = Vec::new();
    for (at, part) in words.split('\'').enumerate() {
        match at % 2 {
            0 => split.extend(part.split_whitespace().map(str::to_owned)),
            _ => split.push(part.to_owned()),
        }
    }
    split
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// A run of the program that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    words: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(words: &str, output: Output) -> Self {
        let ran = Ran {
            words: words.into(),
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        ran
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Exit code 0: found or done.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code(), Some(0), "{self}");
        self
    }

    /// Exit code 1: the work was done and found nothing.
    #[track_caller]
    pub(crate) fn finds_nothing(self) -> Self {
        assert_eq!(self.code(), Some(1), "{self}");
        self
    }

    /// Exit code 2, nothing on standard output, and an error that says this.
    #[track_caller]
    pub(crate) fn fails_with(self, part: &str) -> Self {
        assert_eq!(self.code(), Some(2), "{self}");
        assert_eq!(self.stdout, "", "{self}");
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{self}");
        self.says(part)
    }

    /// Standard error holds this.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(
            self.stderr.contains(part),
            "standard error does not say: {part}\n{self}"
        );
        self
    }

    /// Standard error is empty.
    #[track_caller]
    pub(crate) fn says_nothing(self) -> Self {
        assert_eq!(self.stderr, "", "{self}");
        self
    }

    /// Standard output holds this.
    #[track_caller]
    pub(crate) fn prints(self, part: &str) -> Self {
        assert!(
            self.stdout.contains(part),
            "standard output does not hold: {part}\n{self}"
        );
        self
    }

    /// Standard output, one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Standard output, which is one JSON value on one line.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self}");
        lines.remove(0)
    }

    /// Ids of the hits of the only query, best first, of `--format json`.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<String> {
        let hits = self.json()["hits"].clone();
        let ids = hits
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["id"].as_str().unwrap().to_owned());
        ids.collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ treffer {}\n{}", self.words, self.status)?;
        writeln!(
            f,
            "--- standard output\n{}--- standard error\n{}",
            self.stdout, self.stderr
        )
    }
}
