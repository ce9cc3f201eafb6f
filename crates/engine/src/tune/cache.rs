//! Gathered scores, stored in the index, so that tuning again need not gather.
//!
//! ```text
//! INDEX/tuning-cache/GENERATION-KEY.scores
//!
//! "treffer tuning scores 4\n"
//! u32 length of the key, the key: JSON of everything that the scores depend on
//! u32 number of stages, and for each: u32 length of its name, the name
//! u32 number of queries, and for each
//!     u32 number of traces: u8 stage, u64 nanoseconds, u32 in, u32 out, u32 scored
//!     u32 number of candidates: u32 document, u8 of bits: 1 if it is in another
//!         language than the query, 2 if in one that the reranker does not know, u32 number of pieces of evidence, and for
//!         each: u8 stage, u32 passage (the largest for a whole document), f32 score, u32 tokens
//!         cut
//! u32 CRC-32 (IEEE) of all before
//! ```
//!
//! Numbers are little-endian; a stage is its place in the list of names. The whole key is
//! stored and compared, so that a collision of its hash does no harm. If the file is damaged
//! or has another key, scores are gathered again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use treffer_disk::{Error as DiskError, create_dir_durably, read_file, write_durably};
use treffer_types::{Candidate, DocId, Evidence, Score, StageName};

use crate::check::error_chain;
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::Error;
use crate::gather::{Gathered, StageTrace};
use crate::profile::Profile;
use crate::topics::Topics;
use crate::tune::report::ScoresOrigin;
use crate::tune::space::Space;

/// Folder within an index.
const FOLDER: &str = "tuning-cache";
/// Enough for the scores of 100,000 queries.
const LARGEST: u64 = 16 << 30;
const HEAD: &[u8] = b"treffer tuning scores 4\n";
const EXTENSION: &str = "scores";
/// Stands for a document as a whole in the place of a passage.
const WHOLE: u32 = u32::MAX;

/// The cached scores, or those of `gather`, which are then cached.
///
/// # Errors
/// If gathering fails. A cache that cannot be read or written is no error.
pub(crate) fn load_or(
    engine: &Engine,
    profile: &Profile,
    space: &Space,
    topics: &Topics,
    gather: impl FnOnce() -> Result<Vec<Gathered>, Error>,
) -> Result<(Vec<Gathered>, ScoresOrigin), Error> {
    let key = key(engine, profile, space, topics);
    let folder = engine.dir().join(FOLDER);
    let generation = engine.manifest().generation;
    let hash = crc32fast::hash(key.as_bytes());
    let path = folder.join(format!("{generation}-{hash:08x}.{EXTENSION}"));
    let note = match read_file(&path, LARGEST) {
        Ok(bytes) => match decode(&bytes, &key) {
            Ok(scores) => return Ok((scores, ScoresOrigin::Cache)),
            Err(what) => Some(format!(
                "the kept scores in {} are not used: {what}",
                path.display()
            )),
        },
        Err(DiskError::Missing { .. }) => None,
        Err(error) => Some(error_chain(&error)),
    };
    let scores = gather()?;
    let kept = keep(&folder, &path, generation, &encode(&scores, &key));
    let note = match kept {
        Ok(()) => note,
        Err(error) => Some(format!(
            "the scores could not be kept for the next time: {}",
            error_chain(&error)
        )),
    };
    Ok((scores, ScoresOrigin::Gathered { note }))
}

/// Everything that the scores depend on. A new key of a profile or of the settings does not
/// compile until it is listed here as one that they depend on or do not.
fn key(engine: &Engine, profile: &Profile, space: &Space, topics: &Topics) -> String {
    let Settings {
        generation: _, // the manifest's counts
        device: _,     // models may run elsewhere than the settings say
        bm25,
        field_stages,
        profiles: _,
    } = engine.settings();
    let Profile {
        mode,
        first_stage,
        depths,
        ef_search,
        exact_below,
        late_candidates,
        late_probes,
        cross_order,
        normalizers,
        aggregation,
        cross_language,
        cross_languages,
        by_language: _, // refused while tuning
        cross_passages,
        cross_patience,
        weights: _, // the order in which a reranker reads does not depend on them
        learned: _,
        deadline_ms: _, // ignored while tuning
        tuned: _,
    } = profile;
    // What is tried decides which candidates the reranker scores.
    let depths_tried: Vec<_> = space
        .depth_setups()
        .into_iter()
        .map(|setup| setup.depths)
        .collect();
    let queries: Vec<_> = topics
        .queries
        .iter()
        .map(|query| (&query.id, &query.text, &query.vector, &query.exclude))
        .collect();
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "index": engine.manifest(),
        "device": engine.device(),
        "bm25": bm25,
        "field_stages": field_stages,
        "now": engine.now(),
        "search": space.search,
        "stages": space.stages(),
        "tried": {
            "depths": depths_tried,
            "orders": space.orders(),
            "normalizers": space.normalizers_of_scorers(),
            "aggregations": space.aggregations(),
            "cross_languages": space.cross_languages(),
        },
        "gather": {
            "mode": mode,
            "first_stage": first_stage,
            "depths": depths,
            "ef_search": ef_search,
            "exact_below": exact_below,
            "late_candidates": late_candidates,
            "late_probes": late_probes,
            "cross_order": cross_order,
            "normalizers": normalizers,
            "aggregation": aggregation,
            "cross_language": cross_language,
            "cross_languages": cross_languages,
            "cross_passages": cross_passages,
            "cross_patience": cross_patience,
        },
        "queries": queries,
        // Which documents it holds for follows from the index.
        "filter": topics.filter.as_ref().map(|filter| &filter.text),
    })
    .to_string()
}

/// Writes the scores, and removes those of other generations of the index.
fn keep(folder: &Path, path: &Path, generation: u64, bytes: &[u8]) -> Result<(), Error> {
    create_dir_durably(folder)?;
    let is_outdated = |path: &PathBuf| {
        let is_kept = path.extension().is_some_and(|it| it == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.filter(|_| is_kept);
        let number = stem.and_then(|stem| stem.split_once('-'));
        number.is_some_and(|(number, _)| number.parse() != Ok(generation))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(is_outdated) {
        let _ = fs::remove_file(path); // it will never be read again, so it does no harm
    }
    Ok(write_durably(path, bytes)?)
}

fn encode(gathered: &[Gathered], key: &str) -> Vec<u8> {
    let mut out = Writer(HEAD.to_vec());
    out.text(key);
    let mut stages: Vec<StageName> = Vec::new();
    for query in gathered {
        let scored = query.candidates.iter().flat_map(Candidate::all_evidence);
        let named = scored.map(|(stage, _)| stage);
        for stage in query.traces.iter().map(|trace| trace.stage).chain(named) {
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
    }
    out.number(stages.len());
    for stage in &stages {
        out.text(stage.as_str());
    }
    out.number(gathered.len());
    for query in gathered {
        out.query(query, &stages);
    }
    let checksum = crc32fast::hash(&out.0);
    out.0.extend(checksum.to_le_bytes());
    out.0
}

/// What has been written.
struct Writer(Vec<u8>);

impl Writer {
    fn query(&mut self, query: &Gathered, stages: &[StageName]) {
        let place = |stage: StageName| stages.iter().position(|one| *one == stage);
        let code = |stage| {
            place(stage)
                .and_then(|at| u8::try_from(at).ok())
                .unwrap_or(u8::MAX)
        };
        self.number(query.traces.len());
        for trace in &query.traces {
            self.0.push(code(trace.stage));
            let nanos = u64::try_from(trace.elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.0.extend(nanos.to_le_bytes());
            self.number(trace.candidates_in);
            self.number(trace.candidates_out);
            self.number(trace.scored);
        }
        self.number(query.candidates.len());
        for candidate in &query.candidates {
            self.0.extend(candidate.doc.0.to_le_bytes());
            let Candidate {
                is_foreign,
                is_unreadable,
                ..
            } = candidate;
            self.0
                .push(u8::from(*is_foreign) | u8::from(*is_unreadable) << 1);
            self.number(candidate.all_evidence().len());
            for (stage, evidence) in candidate.all_evidence() {
                self.0.push(code(stage));
                self.0
                    .extend(evidence.passage.unwrap_or(WHOLE).to_le_bytes());
                self.0.extend(evidence.score.value().to_le_bytes());
                self.0.extend(evidence.tokens_cut.to_le_bytes());
            }
        }
    }

    fn number(&mut self, value: usize) {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }
}

/// The scores, or what is wrong with the file.
fn decode(bytes: &[u8], key: &str) -> Result<Vec<Gathered>, &'static str> {
    let Some((content, checksum)) = bytes.split_last_chunk::<4>() else {
        return Err(CUT);
    };
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return Err("the checksum does not match, so the file is damaged");
    }
    let Some(rest) = content.strip_prefix(HEAD) else {
        return Err("another version wrote them");
    };
    let mut reader = Reader {
        rest,
        stages: Vec::new(),
    };
    if reader.text()? != key.as_bytes() {
        return Err("they belong to other queries or another index");
    }
    for _ in 0..reader.number()? {
        let name = std::str::from_utf8(reader.text()?).ok();
        let name = name.and_then(|name| name.parse().ok());
        reader.stages.push(name.ok_or("a stage is unknown")?);
    }
    let n_queries = reader.number()?;
    let gathered = (0..n_queries)
        .map(|_| reader.query())
        .collect::<Result<Vec<Gathered>, _>>()?;
    if reader.rest.is_empty() {
        Ok(gathered)
    } else {
        Err("there is more in the file than should be")
    }
}

/// The rest of the file, and the stages that it names.
struct Reader<'a> {
    rest: &'a [u8],
    stages: Vec<StageName>,
}

impl<'a> Reader<'a> {
    fn query(&mut self) -> Result<Gathered, &'static str> {
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
                    settled: 0, // no cost depends on it
                    unknown_language: None,
                })
            })
            .collect::<Result<Vec<_>, &'static str>>()?;
        let n_candidates = self.number()?;
        let candidates = (0..n_candidates)
            .map(|_| self.candidate())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Gathered { candidates, traces })
    }

    fn candidate(&mut self) -> Result<Candidate, &'static str> {
        let mut candidate = Candidate::new(DocId(u32::from_le_bytes(self.array()?)));
        let [languages] = self.array()?;
        candidate.is_foreign = languages & 1 != 0;
        candidate.is_unreadable = languages & 2 != 0;
        for _ in 0..self.number()? {
            let stage = self.stage()?;
            let passage = u32::from_le_bytes(self.array()?);
            let passage = (passage != WHOLE).then_some(passage);
            let value = f32::from_le_bytes(self.array()?);
            let score = Score::new(value).ok_or("a score is not finite")?;
            let tokens_cut = u32::from_le_bytes(self.array()?);
            let evidence = Evidence {
                passage,
                score,
                tokens_cut,
            };
            candidate.add(stage, evidence);
        }
        Ok(candidate)
    }

    fn stage(&mut self) -> Result<StageName, &'static str> {
        let [place] = self.array()?;
        let stage = self.stages.get(usize::from(place));
        stage.copied().ok_or("a stage is unknown")
    }

    fn number(&mut self) -> Result<usize, &'static str> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT)?;
        self.rest = rest;
        Ok(*head)
    }

    fn text(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.number()?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        Ok(head)
    }
}

const CUT: &str = "the file is cut short";

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Vec<Gathered> {
        let mut candidate = Candidate::new(DocId(7));
        let evidence = |passage, score, tokens_cut| Evidence {
            passage,
            score: Score::new(score).unwrap(),
            tokens_cut,
        };
        candidate.add(StageName::DENSE, evidence(None, 0.1, 0));
        candidate.add(StageName::CROSS, evidence(Some(0), -11.3, 3));
        candidate.add(StageName::CROSS, evidence(Some(4), -9.5, 0));
        let trace = StageTrace {
            stage: StageName::CROSS,
            elapsed: Duration::from_nanos(12_345),
            candidates_in: 2,
            candidates_out: 2,
            scored: 1,
            skipped: 0,
            settled: 0,
            unknown_language: None,
        };
        let full = Gathered {
            candidates: vec![candidate, Candidate::new(DocId(8))],
            traces: vec![trace],
        };
        let empty = Gathered {
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
