//! Kills the program again and again while it writes, and looks at what it left.
//!
//! Shared with the program's tests, which kill it a few times.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A word of every document, by which all are found.
const COMMON: &str = "gemeinsam";

/// Words and compounds of them, so that old segments are cut anew when new words come.
const WORDS: [&str; 12] = [
    "Kühlschrank",
    "Schrank",
    "Labor",
    "Laborschrank",
    "Tür",
    "Schranktür",
    "kühl",
    "Wohnungstür",
    "Wohnung",
    "blau",
    "Schloss",
    "Türschloss",
];

/// Ids and texts.
type Documents = BTreeMap<String, String>;

/// The commands that write an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Index,
    Add,
    Delete,
    Compact,
}

/// One of them, with what the index may hold when it is interrupted.
struct Step {
    kind: Kind,
    words: Vec<String>,
    /// Before, after each commit, and in the end; `None` is no index.
    states: Vec<Option<Documents>>,
}

/// How often the program was killed in a command, and what was found then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Killed while it ran.
    pub(crate) killed: usize,
    /// The index was as before the command.
    pub(crate) before: usize,
    /// It held some of the batches.
    pub(crate) between: usize,
    /// It was as after the command.
    pub(crate) after: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "killed {}: before {}, between {}, after {}",
            self.killed, self.before, self.between, self.after
        )
    }
}

/// An index in a folder, and what it must hold.
pub(crate) struct Trials {
    program: PathBuf,
    folder: PathBuf,
    random: Random,
    documents: Documents,
    next_id: usize,
    /// How long a command took when it was not killed.
    durations: BTreeMap<Kind, Duration>,
    /// By command.
    pub(crate) tallies: BTreeMap<Kind, Tally>,
}

impl Trials {
    /// In an empty folder, with this configuration of the index.
    pub(crate) fn new(program: &Path, folder: &Path, config: &str, seed: u64) -> Result<Self> {
        fs::write(folder.join("config.toml"), config).context("could not write config.toml")?;
        let mut trials = Trials {
            program: program.to_owned(),
            folder: folder.to_owned(),
            random: Random(seed),
            documents: Documents::new(),
            next_id: 0,
            durations: BTreeMap::new(),
            tallies: BTreeMap::new(),
        };
        // How long each takes, before the first is killed.
        for kind in [Kind::Index, Kind::Add, Kind::Delete, Kind::Compact] {
            let step = trials.step(kind)?;
            trials.complete(&step)?;
        }
        Ok(trials)
    }

    /// Kills a command at random, and checks what it left. Returns whether it was still running.
    pub(crate) fn kill_one(&mut self) -> Result<bool> {
        let kind = match self.random.below(10) {
            0..3 => Kind::Index,
            3..6 => Kind::Add,
            6..8 => Kind::Delete,
            _ => Kind::Compact,
        };
        if kind == Kind::Compact {
            // Something to be merged.
            for kind in [Kind::Add, Kind::Delete] {
                let step = self.step(kind)?;
                self.complete(&step)?;
            }
        }
        let step = self.step(kind)?;
        let usual = self.durations.get(&kind).copied().unwrap_or_default();
        let delay = usual.mul_f64(self.random.below(1000) as f64 / 950.0);
        let mut child = self.spawn(&step.words)?;
        thread::sleep(delay);
        let was_running = child.try_wait()?.is_none();
        child.kill().context("could not kill the program")?;
        let output = child.wait_with_output()?;
        if !was_running && kind != Kind::Delete {
            ensure!(
                output.status.success(),
                "{:?} failed: {}",
                step.words,
                text(&output.stderr)
            );
        }
        let what = format!("{:?} killed after {delay:?}", step.words);
        let found = self.found().with_context(|| what.clone())?;
        let states = &step.states;
        let Some(at) = states.iter().position(|state| *state == found) else {
            let n = found.map(|documents| documents.len());
            bail!("{what}: {n:?} documents are those of no commit");
        };
        if was_running {
            let tally = self.tallies.entry(kind).or_default();
            tally.killed += 1;
            match at {
                0 => tally.before += 1,
                _ if at + 1 == states.len() => tally.after += 1,
                _ => tally.between += 1,
            }
        }
        self.complete(&step).with_context(|| what)?;
        Ok(was_running)
    }

    /// Decides what to run next.
    fn step(&mut self, kind: Kind) -> Result<Step> {
        let before = self.documents.clone();
        match kind {
            Kind::Index => {
                let index = self.folder.join("index");
                if index.exists() {
                    fs::remove_dir_all(&index).context("could not remove the index")?;
                }
                self.documents = Documents::new();
                let new = 40 + self.random.below(80);
                self.writing(kind, new, 0, None)
            }
            Kind::Add => {
                let new = 5 + self.random.below(40);
                let updated = self.random.below(20);
                self.writing(kind, new, updated, Some(before))
            }
            Kind::Delete => {
                let mut left = before.clone();
                left.retain(|_, _| self.random.below(5) > 0);
                let mut words = vec!["delete".to_owned(), "index".to_owned()];
                words.extend(before.keys().filter(|id| !left.contains_key(*id)).cloned());
                if words.len() == 2 {
                    words.push("unknown".into());
                }
                self.documents.clone_from(&left);
                Ok(Step {
                    kind,
                    words,
                    states: vec![Some(before), Some(left)],
                })
            }
            Kind::Compact => Ok(Step {
                kind,
                words: vec!["compact".into(), "index".into()],
                states: vec![Some(before)],
            }),
        }
    }

    /// A command that writes new and updated documents, batch by batch.
    fn writing(
        &mut self,
        kind: Kind,
        new: u64,
        updated: u64,
        before: Option<Documents>,
    ) -> Result<Step> {
        let every = 8 + self.random.below(20) as usize;
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let old: Vec<&String> = self.documents.keys().collect();
        for _ in 0..updated.min(old.len() as u64) {
            ids.insert(old[self.random.below(old.len() as u64) as usize].clone());
        }
        for _ in 0..new {
            ids.insert(format!("d{}", self.next_id));
            self.next_id += 1;
        }
        let mut states = vec![before];
        let mut lines = String::new();
        for (n, id) in (1..).zip(&ids) {
            let text = self.text();
            lines += &format!("{}\n", json!({ "_id": id, "text": text }));
            self.documents.insert(id.clone(), text);
            if n % every == 0 || n == ids.len() {
                states.push(Some(self.documents.clone()));
            }
        }
        fs::write(self.folder.join("corpus.jsonl"), lines).context("could not write the corpus")?;
        let (name, config) = match kind {
            Kind::Index => ("index", " --config config.toml"),
            _ => ("add", ""),
        };
        let line = format!("{name} index corpus.jsonl --commit-every {every}{config}");
        Ok(Step {
            kind,
            words: line.split(' ').map(str::to_owned).collect(),
            states,
        })
    }

    /// A text that no other document has.
    fn text(&mut self) -> String {
        let number = self.random.next();
        let mut text = format!("{COMMON} eigen{number:x}");
        for _ in 0..3 + self.random.below(20) {
            text += " ";
            text += WORDS[self.random.below(WORDS.len() as u64) as usize];
        }
        text
    }

    /// Runs a command to its end, maybe after it was interrupted: the index holds what it must,
    /// and its folder nothing else.
    fn complete(&mut self, step: &Step) -> Result<()> {
        let start = Instant::now();
        let output = self.spawn(&step.words)?.wait_with_output()?;
        let is_there = text(&output.stderr).contains("already");
        // What was completed is not done a second time.
        let is_done = match step.kind {
            Kind::Index => is_there,
            Kind::Delete => output.status.code() == Some(1),
            Kind::Add | Kind::Compact => false,
        };
        let words = &step.words;
        if !output.status.success() && !is_done {
            bail!("{words:?}, to its end: {}", text(&output.stderr));
        }
        if output.status.success() {
            self.durations.entry(step.kind).or_insert(start.elapsed());
        }
        let found = self.found()?;
        let expected = step.states.last().context("a command ends")?;
        ensure!(
            found == *expected,
            "{words:?}, to its end: the documents are others"
        );
        self.check_left_over()
    }

    /// What the index holds, which must be sound; `None` if there is none.
    fn found(&self) -> Result<Option<Documents>> {
        let checked = self.run("check index")?;
        if !checked.status.success() {
            let said = text(&checked.stderr);
            ensure!(said.contains("there is no index in"), "check: {said}");
            return Ok(None);
        }
        let search = format!(
            "search index {COMMON} -k 1000000 --stages bm25 --set bm25_depth=1000000 --format json"
        );
        let output = self.run(&search)?;
        ensure!(
            output.status.code() != Some(2),
            "search: {}",
            text(&output.stderr)
        );
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        let hits = answer["hits"].as_array().context("an answer has hits")?;
        let mut documents = Documents::new();
        for hit in hits {
            let (Some(id), Some(text)) = (hit["id"].as_str(), hit["text"].as_str()) else {
                bail!("a hit has neither id nor text: {hit}");
            };
            let twice = documents.insert(id.to_owned(), text.to_owned());
            ensure!(twice.is_none(), "{id} is found twice");
        }
        Ok(Some(documents))
    }

    /// The folder holds what the manifest names, and nothing else.
    fn check_left_over(&self) -> Result<()> {
        let index = self.folder.join("index");
        let manifest: Value = serde_json::from_slice(&fs::read(index.join("manifest.json"))?)?;
        let manifest = &manifest["manifest"];
        let mut expected: BTreeSet<String> = ["manifest.json", "treffer.toml", "writer.lock"]
            .map(str::to_owned)
            .into();
        expected.extend(manifest["deleted"]["file"].as_str().map(str::to_owned));
        for segment in manifest["segments"].as_array().into_iter().flatten() {
            let name = segment["name"].as_str().context("a segment has a name")?;
            let parts = segment["parts"]
                .as_object()
                .context("a segment has parts")?;
            let parts: BTreeSet<String> = parts.keys().cloned().collect();
            ensure!(
                names(&index.join(name))? == parts,
                "{name} holds other parts"
            );
            expected.insert(name.to_owned());
        }
        let found = names(&index)?;
        ensure!(
            found == expected,
            "the folder holds {found:?}, not {expected:?}"
        );
        Ok(())
    }

    fn run(&self, line: &str) -> Result<Output> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Ok(self.spawn(&words)?.wait_with_output()?)
    }

    fn spawn(&self, words: &[String]) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("TREFFER_OFFLINE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .spawn()
            .with_context(|| format!("could not start {}", self.program.display()))
    }
}

fn names(dir: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// SplitMix64: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Below `bound`, which is small.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
