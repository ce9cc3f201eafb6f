//! Gathered scores, kept beside the index: tuning again is instant.
//!
//! ```text
//! INDEX/tuning-cache/GENERATION-KEY.scores
//!
//! "treffer tuning scores 1\n"
//! u32 length of the key, the key: JSON of everything that the scores depend on
//! u32 number of queries, and for each
//!     u32 number of traces: u8 stage, u64 nanoseconds, u32 in, u32 out, u32 scored
//!     u32 number of candidates: u32 document, u32 passage, u32 tokens cut,
//!         u8 mask of the stages that scored it, f32 per such stage
//! u32 CRC-32 (IEEE) of all before
//! ```
//!
//! Numbers are little-endian. The whole key is stored and compared, so no two sets of
//! scores are ever mistaken for each other. What is damaged or foreign is gathered anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use treffer_types::{Candidate, DocId, PassageId, Score, StageName, StageTrace};

use crate::error::Error;
use crate::index::Index;
use crate::manifest::write_durably;
use crate::profile::Profile;
use crate::topics::Topics;
use crate::tune::pool::Scores;
use crate::tune::report::ScoresOrigin;
use crate::tune::space::Space;

/// Folder within an index.
const FOLDER: &str = "tuning-cache";
const HEAD: &[u8] = b"treffer tuning scores 1\n";
const EXTENSION: &str = "scores";

/// The kept scores, or what `gather` gives, which is then kept.
///
/// # Errors
/// If gathering fails. A cache that cannot be read or written is no error.
pub(crate) fn load_or(
    index: &Index,
    profile: &Profile,
    space: &Space,
    topics: &Topics,
    gather: impl FnOnce() -> Result<Vec<Scores>, Error>,
) -> Result<(Vec<Scores>, ScoresOrigin), Error> {
    let key = key(index, profile, space, topics);
    let folder = index.dir().join(FOLDER);
    let generation = index.manifest().generation;
    let hash = crc32fast::hash(key.as_bytes());
    let path = folder.join(format!("{generation}-{hash:08x}.{EXTENSION}"));
    let note = match fs::read(&path) {
        Ok(bytes) => match decode(&bytes, &key) {
            Ok(scores) => return Ok((scores, ScoresOrigin::Cache)),
            Err(what) => Some(format!(
                "the kept scores in {} are not used: {what}",
                path.display()
            )),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("could not read {}: {error}", path.display())),
    };
    let scores = gather()?;
    let kept = keep(&folder, &path, generation, &encode(&scores, &key));
    let note = match kept {
        Ok(()) => note,
        Err(error) => Some(format!(
            "the scores could not be kept for the next time: {}",
            chain(&error)
        )),
    };
    Ok((scores, ScoresOrigin::Gathered { note }))
}

/// Everything that the scores depend on.
fn key(index: &Index, profile: &Profile, space: &Space, topics: &Topics) -> String {
    let (manifest, settings) = (index.manifest(), index.settings());
    let queries: Vec<[&str; 2]> = topics
        .queries
        .iter()
        .map(|query| [query.id.as_str(), query.text.as_str()])
        .collect();
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "index": manifest,
        "device": settings.device,
        "k1": settings.k1,
        "b": settings.b,
        "search": space.search,
        "stages": space.stages,
        "gather": {
            "mode": profile.mode,
            "first_stage": profile.first_stage,
            "bm25_depth": profile.bm25_depth,
            "dense_depth": profile.dense_depth,
            "ef_search": profile.ef_search,
            "exact_below": profile.exact_below,
            "cross_depth": profile.cross_depth,
            "cross_order": profile.cross_order,
            "normalizers": profile.normalizers,
        },
        "queries": queries,
    })
    .to_string()
}

/// Writes the scores, and removes those of other generations of the index.
fn keep(folder: &Path, path: &Path, generation: u64, bytes: &[u8]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Io {
        action: "make",
        path: folder.into(),
        source,
    })?;
    let is_outdated = |path: &PathBuf| {
        let is_kept = path.extension().is_some_and(|it| it == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.filter(|_| is_kept);
        let number = stem.and_then(|stem| stem.split_once('-'));
        number.is_some_and(|(number, _)| number.parse() != Ok(generation))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(is_outdated) {
        let _ = fs::remove_file(path); // it will never be read, but does no harm either
    }
    write_durably(path, bytes)
}

fn encode(scores: &[Scores], key: &str) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    let number = |out: &mut Vec<u8>, value: usize| {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        out.extend(value.to_le_bytes());
    };
    number(&mut out, key.len());
    out.extend(key.as_bytes());
    number(&mut out, scores.len());
    for query in scores {
        number(&mut out, query.traces.len());
        for trace in &query.traces {
            out.push(code(trace.stage));
            let nanos = u64::try_from(trace.elapsed.as_nanos()).unwrap_or(u64::MAX);
            out.extend(nanos.to_le_bytes());
            number(&mut out, trace.candidates_in);
            number(&mut out, trace.candidates_out);
            number(&mut out, trace.scored);
        }
        number(&mut out, query.candidates.len());
        for candidate in &query.candidates {
            out.extend(candidate.passage.doc.0.to_le_bytes());
            out.extend(candidate.passage.passage.to_le_bytes());
            out.extend(candidate.tokens_cut.to_le_bytes());
            let scored = || {
                let score = |stage| Some((stage, candidate.scores.get(stage)?));
                StageName::ALL.into_iter().filter_map(score)
            };
            out.push(scored().fold(0, |mask, (stage, _)| mask | 1 << code(stage)));
            for (_, score) in scored() {
                out.extend(score.value().to_le_bytes());
            }
        }
    }
    let checksum = crc32fast::hash(&out);
    out.extend(checksum.to_le_bytes());
    out
}

/// The scores, or what is wrong with the file.
fn decode(bytes: &[u8], key: &str) -> Result<Vec<Scores>, &'static str> {
    let Some((content, checksum)) = bytes.split_last_chunk::<4>() else {
        return Err("the file is cut short");
    };
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return Err("the checksum does not match, so the file is damaged");
    }
    let Some(rest) = content.strip_prefix(HEAD) else {
        return Err("another version wrote them");
    };
    let mut reader = Reader(rest);
    let length = reader.number()?;
    if reader.bytes(length)? != key.as_bytes() {
        return Err("they belong to other queries or another index");
    }
    let n_queries = reader.number()?;
    let scores = (0..n_queries)
        .map(|_| reader.query())
        .collect::<Result<Vec<Scores>, _>>()?;
    match reader.0.is_empty() {
        true => Ok(scores),
        false => Err("there is more in the file than should be"),
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn query(&mut self) -> Result<Scores, &'static str> {
        let n_traces = self.number()?;
        let traces = (0..n_traces)
            .map(|_| {
                Ok(StageTrace {
                    stage: self.stage()?,
                    elapsed: Duration::from_nanos(u64::from_le_bytes(self.array()?)),
                    candidates_in: self.number()?,
                    candidates_out: self.number()?,
                    scored: self.number()?,
                    skipped: 0, // gathered without a deadline
                })
            })
            .collect::<Result<Vec<_>, &'static str>>()?;
        let n_candidates = self.number()?;
        let candidates = (0..n_candidates)
            .map(|_| self.candidate())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Scores { candidates, traces })
    }

    fn candidate(&mut self) -> Result<Candidate, &'static str> {
        let doc = DocId(u32::from_le_bytes(self.array()?));
        let passage = u32::from_le_bytes(self.array()?);
        let mut candidate = Candidate::new(PassageId { doc, passage });
        candidate.tokens_cut = u32::from_le_bytes(self.array()?);
        let [mask] = self.array()?;
        for stage in StageName::ALL {
            if mask & 1 << code(stage) != 0 {
                let value = f32::from_le_bytes(self.array()?);
                let score = Score::new(value).ok_or("a score is not a number")?;
                candidate.scores.set(stage, score);
            }
        }
        Ok(candidate)
    }

    fn stage(&mut self) -> Result<StageName, &'static str> {
        let [found] = self.array()?;
        let mut stages = StageName::ALL.into_iter();
        stages
            .find(|stage| code(*stage) == found)
            .ok_or("a stage is unknown")
    }

    fn number(&mut self) -> Result<usize, &'static str> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*head)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(head)
    }
}

const CUT: &str = "the file is cut short";

fn code(stage: StageName) -> u8 {
    match stage {
        StageName::Bm25 => 0,
        StageName::Dense => 1,
        StageName::Cross => 2,
    }
}

/// An error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Vec<Scores> {
        let mut candidate = Candidate::new(PassageId::whole(DocId(7)));
        candidate
            .scores
            .set(StageName::Dense, Score::new(0.1).unwrap());
        candidate
            .scores
            .set(StageName::Cross, Score::new(-11.3).unwrap());
        candidate.tokens_cut = 3;
        let trace = StageTrace {
            stage: StageName::Cross,
            elapsed: Duration::from_nanos(12_345),
            candidates_in: 2,
            candidates_out: 2,
            scored: 1,
            skipped: 0,
        };
        let full = Scores {
            candidates: vec![candidate, Candidate::new(PassageId::whole(DocId(8)))],
            traces: vec![trace],
        };
        let empty = Scores {
            candidates: Vec::new(),
            traces: Vec::new(),
        };
        vec![full, empty]
    }

    #[test]
    fn scores_survive_a_round_trip_bit_for_bit() {
        assert_eq!(decode(&encode(&scores(), "key"), "key"), Ok(scores()));
    }

    #[test]
    fn no_flipped_byte_and_no_cut_goes_unnoticed() {
        let whole = encode(&scores(), "key");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(decode(&damaged, "key").is_err(), "byte {at}");
            assert!(decode(&whole[..at], "key").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn scores_of_something_else_are_refused() {
        let refusal = decode(&encode(&scores(), "another"), "key").unwrap_err();
        assert!(refusal.contains("other queries"), "{refusal}");
    }

    #[test]
    fn a_file_that_lies_about_its_lengths_is_refused() {
        // A correct checksum over nonsense: only lengths stand between us and it.
        let mut bytes = HEAD.to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(b"key");
        bytes.extend(u32::MAX.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        assert_eq!(decode(&bytes, "key"), Err(CUT));
    }
}
