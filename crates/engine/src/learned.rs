//! Learned fusions of an index: where they are kept, and how a search uses one.
//!
//! ```text
//! INDEX/learned/PROFILE.json   named, with its checksum, by the profile that uses it
//! ```

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use treffer_fusion::{Contribution, Fused, Fusion, Learned, Lengths, fuse};
use treffer_types::{Candidate, DocId, Query, StageName};

use crate::error::{Error, IoContext, part};
use crate::index::{Index, names};
use crate::manifest::write_durably;
use crate::profile::Profile;

/// Folder within an index.
const FOLDER: &str = "learned";

/// A profile's pointer to its learned fusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedFile {
    /// Path within the index.
    pub file: String,
    /// CRC-32 (IEEE) of the file.
    pub crc32: u32,
    /// The stages whose scores it looks at. A search over others is fused by the weights.
    pub stages: Vec<StageName>,
}

/// Keeps a learned fusion in the index in `dir`, for the profile of that name.
///
/// # Errors
/// If it cannot be written.
pub fn keep(dir: &Path, profile: &str, learned: &Learned) -> Result<LearnedFile, Error> {
    let folder = dir.join(FOLDER);
    fs::create_dir_all(&folder).at("make", &folder)?;
    let text = learned.encode()?;
    // A name may hold what a file's cannot.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = profile
        .chars()
        .map(|c| {
            if is_plain(c) {
                c.to_string()
            } else {
                format!("%{:x}", u32::from(c))
            }
        })
        .collect();
    let file = format!("{FOLDER}/{name}.json");
    write_durably(&dir.join(&file), text.as_bytes())?;
    Ok(LearnedFile {
        file,
        crc32: crc32fast::hash(text.as_bytes()),
        stages: learned.stages().to_vec(),
    })
}

/// Reads what [`keep`] wrote.
///
/// # Errors
/// If it is not there, not what the profile says, or of another version.
pub fn load(dir: &Path, record: &LearnedFile) -> Result<Learned, Error> {
    let path = dir.join(&record.file);
    let text = fs::read_to_string(&path).at("read", &path)?;
    let crc32 = crc32fast::hash(text.as_bytes());
    if crc32 != record.crc32 {
        return Err(Error::LearnedDamaged {
            path,
            found: crc32,
            expected: record.crc32,
        });
    }
    Ok(Learned::decode(&text)?)
}

/// How long the query and the candidates' documents are, in terms of the analyzer.
///
/// # Errors
/// If the index does not know a candidate.
pub(crate) fn lengths(
    index: &Index,
    query: &Query,
    candidates: &[Candidate],
) -> Result<Lengths, Error> {
    let docs: Vec<DocId> = candidates.iter().map(Candidate::doc).collect();
    let documents = index.bm25.lengths(&docs);
    Ok(Lengths {
        query: index.bm25.terms(&query.text).len() as u32,
        documents: documents.map_err(part("read", "bm25 part", index.dir()))?,
    })
}

/// What puts candidates in order.
#[derive(Clone, Debug)]
pub enum Ranker {
    /// The profile's weights.
    Linear(Fusion),
    /// The profile's learned fusion.
    Learned(Box<Learned>),
}

impl Ranker {
    /// The one that `profile` uses over `stages`: the learned fusion if it has one that
    /// looks at just these, otherwise the weights.
    ///
    /// # Errors
    /// If the learned fusion cannot be read, or the weights give nothing to any of several
    /// stages.
    pub fn new(index: &Index, profile: &Profile, stages: &[StageName]) -> Result<Self, Error> {
        match profile.learned_for(stages) {
            Some(record) => Ok(Ranker::Learned(Box::new(load(index.dir(), record)?))),
            None => Ranker::linear(profile, stages),
        }
    }

    /// The profile's weights over `stages`, learned fusion or not.
    ///
    /// # Errors
    /// If they give nothing to any of several stages.
    fn linear(profile: &Profile, stages: &[StageName]) -> Result<Self, Error> {
        let fusion = profile.fusion(stages).ok_or_else(|| {
            Error::Request(format!(
                "the weights {} give nothing to the stages that run: {}",
                profile.weights,
                names(stages)
            ))
        })?;
        Ok(Ranker::Linear(fusion))
    }

    /// The weights, or those that the learned fusion corrects.
    pub fn fusion(&self) -> &Fusion {
        match self {
            Ranker::Linear(fusion) => fusion,
            Ranker::Learned(learned) => learned.fusion(),
        }
    }

    /// All candidates of a query, best first.
    ///
    /// # Errors
    /// If the index does not know a candidate, or the trees cannot be applied.
    pub fn fuse(
        &self,
        index: &Index,
        query: &Query,
        candidates: &[Candidate],
    ) -> Result<Vec<Fused>, Error> {
        match self {
            Ranker::Linear(fusion) => Ok(fuse(candidates, fusion)),
            Ranker::Learned(learned) => {
                let lengths = lengths(index, query, candidates)?;
                Ok(learned.fuse(candidates, &lengths)?)
            }
        }
    }

    /// The first `top_k` of [`Ranker::fuse`], each with what every feature did to its
    /// score; nothing under weights.
    ///
    /// # Errors
    /// As [`Ranker::fuse`].
    pub fn explained(
        &self,
        index: &Index,
        query: &Query,
        candidates: &[Candidate],
        top_k: usize,
    ) -> Result<Vec<(Fused, Vec<Contribution>)>, Error> {
        let learned = match self {
            Ranker::Linear(fusion) => {
                let fused = fuse(candidates, fusion).into_iter().take(top_k);
                return Ok(fused.map(|fused| (fused, Vec::new())).collect());
            }
            Ranker::Learned(learned) => learned,
        };
        let lengths = lengths(index, query, candidates)?;
        let mut fused = learned.fuse(candidates, &lengths)?;
        fused.truncate(top_k);
        let positions: Vec<usize> = fused.iter().map(|fused| fused.candidate).collect();
        let parts = learned.contributions(candidates, &lengths, &positions)?;
        Ok(fused.into_iter().zip(parts).collect())
    }
}
