//! Scores of a teacher for examples that come without, kept in a file so that they are computed
//! once.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use treffer_disk::create_dir_durably;
use treffer_types::{PairScorer, Progress};

use crate::error::Error;
use crate::example::{Example, Examples, ValueKind};

/// What became of the examples that had no scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taught {
    /// Examples whose scores were in the file.
    pub known: usize,
    /// Examples that the teacher read now.
    pub read: usize,
    /// Whether it was asked to stop before it had read all.
    pub is_stopped: bool,
}

/// The first line of the file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    teacher: String,
}

/// Each other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// A hash of query and passages.
    example: String,
    scores: Vec<f32>,
}

/// Examples between two writes to the file.
const AT_ONCE: usize = 16;

/// Replaces the labels of the examples without scores by the scores that `teacher` gives, which
/// are its own, neither scaled nor squashed. `progress` counts examples.
///
/// Scores are appended to the file at `cache`, in JSON lines by a hash of the texts, as they are
/// computed, and taken from there the next time. The scores of another teacher in it are
/// deleted, and so is a last line that was not written to its end.
///
/// # Errors
/// If the file cannot be read or written, or the model cannot be run.
pub fn add_scores(
    examples: &mut Examples,
    teacher: &dyn PairScorer,
    cache: &Path,
    progress: &dyn Progress,
) -> Result<Taught, Error> {
    let mut missing: Vec<usize> = (0..examples.all.len())
        .filter(|&index| examples.all[index].kind == ValueKind::Labels)
        .collect();
    let mut taught = Taught::default();
    if missing.is_empty() {
        return Ok(taught);
    }
    let mut cache = Cache::open(cache, teacher)?;
    missing.retain(|&index| {
        let example = &mut examples.all[index];
        let known = cache.scores.get(&key(example)).cloned();
        let Some(scores) = known.filter(|scores| scores.len() == example.passages.len()) else {
            return true;
        };
        taught.known += 1;
        (example.values, example.kind) = (scores, ValueKind::Scores);
        false
    });
    progress.begin("teacher", Some(missing.len() as u64), "queries");
    let result = read(examples, &missing, teacher, &mut cache, progress);
    progress.end();
    taught.read = result?;
    taught.is_stopped = taught.read < missing.len();
    Ok(taught)
}

/// Has the teacher read the examples with these numbers, and returns of how many it did.
fn read(
    examples: &mut Examples,
    missing: &[usize],
    teacher: &dyn PairScorer,
    cache: &mut Cache<'_>,
    progress: &dyn Progress,
) -> Result<usize, Error> {
    let mut done = 0;
    for some in missing.chunks(AT_ONCE) {
        let mut lines = Vec::new();
        for &index in some {
            if progress.cancelled() {
                cache.append(&lines)?;
                return Ok(done);
            }
            let example = &examples.all[index];
            let passages: Vec<&str> = example.passages.iter().map(String::as_str).collect();
            let scores = teacher
                .score_pairs(&example.query, &passages)
                .map_err(|source| Error::Teacher {
                    example: examples.origin(example),
                    source,
                })?;
            let scores: Vec<f32> = scores.iter().map(|score| score.score).collect();
            let line = Line {
                example: key(example),
                scores,
            };
            serde_json::to_writer(&mut lines, &line).map_err(|error| cache.failed(error.into()))?;
            lines.push(b'\n');
            let example = &mut examples.all[index];
            (example.values, example.kind) = (line.scores, ValueKind::Scores);
            done += 1;
            progress.advance(1);
        }
        cache.append(&lines)?;
    }
    Ok(done)
}

/// A hash of the texts.
fn key(example: &Example) -> String {
    let mut hash = Sha256::new();
    for text in std::iter::once(&example.query).chain(&example.passages) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Cache<'a> {
    path: &'a Path,
    file: File,
    scores: HashMap<String, Vec<f32>>,
}

impl<'a> Cache<'a> {
    fn open(path: &'a Path, teacher: &dyn PairScorer) -> Result<Self, Error> {
        let failed = |source| Error::Cache {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            create_dir_durably(folder)?;
        }
        let header = Header {
            teacher: teacher.fingerprint().to_string(),
        };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false);
        let mut file = file.open(path).map_err(failed)?;
        let (scores, end) = known(&file, &header).map_err(failed)?;
        // Behind the last whole line, or anew.
        file.set_len(end).map_err(failed)?;
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        let mut cache = Cache { path, file, scores };
        if end == 0 {
            let mut line = serde_json::to_vec(&header).map_err(|error| failed(error.into()))?;
            line.push(b'\n');
            cache.append(&line)?;
        }
        Ok(cache)
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(lines);
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Cache {
            path: self.path.to_owned(),
            source,
        }
    }
}

/// The scores in the file, and where its last whole line ends: at 0 if it is of another teacher.
fn known(file: &File, header: &Header) -> std::io::Result<(HashMap<String, Vec<f32>>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut scores, mut end, mut line) = (HashMap::new(), 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok((scores, end));
        }
        if end == 0 {
            let found: Result<Header, _> = serde_json::from_slice(&line);
            if !found.is_ok_and(|found| found == *header) {
                return Ok((scores, 0));
            }
        } else {
            let Line {
                example,
                scores: values,
            } = serde_json::from_slice(&line)
                .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))?;
            scores.insert(example, values);
        }
        end += read as u64;
    }
}

#[cfg(test)]
mod tests;
