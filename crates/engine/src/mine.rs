//! Training data from an index: queries with what answers them and with hard negatives, which
//! are what the stages rank highly although it does not.
//!
//! What a stage ranks highly and nobody judged is often relevant after all. Three things keep
//! such false negatives out: the window of ranks, which leaves out the first; a margin below
//! the score of what is relevant, in the same stage (Moreira et al. 2024,
//! <https://arxiv.org/abs/2407.15831>); and a cross-encoder that must not find a negative
//! relevant (Qu et al. 2021, <https://arxiv.org/abs/2010.08191>).
//!
//! Without judgments, titles and headings are queries for the texts below them; see
//! [`silver`]. The result depends on index, request and queries, not on threads or on the order
//! of the queries.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use treffer_types::{DocId, Grade, Progress, Query, StageName};

use crate::engine::Engine;
use crate::error::{Error, stop_if_asked};
use crate::gather::query_name;
use crate::profile::Profile;
use crate::stages::StageQuery;
use crate::topics::Topics;

mod chance;
mod pool;
mod silver;
mod work;

pub use silver::silver;
use work::Work;

/// Queries that models encode in one pass.
const BATCH: usize = 32;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct MineRequest<'a> {
    /// How the stages retrieve. Depths and weights have no effect.
    pub profile: &'a Profile,
    /// The stages whose ranks are looked through; each must retrieve.
    pub stages: Vec<StageName>,
    /// Ranks of a stage, from 1, from which negatives are drawn.
    pub ranks: RangeInclusive<usize>,
    /// A negative's score is at most that of the best relevant document in the same stage, less
    /// this share of it; from 0 (inclusive) to 1. `None`: whatever its score.
    pub margin: Option<f64>,
    /// The cross-encoder's probability of relevance (or place between its lowest grade, 0, and
    /// its highest, 1) from which on a document is no negative. `None`: it is not asked.
    pub guard: Option<f64>,
    /// Most relevant passages of a query, those of the highest grades; at least 1. `None`: all.
    pub relevant: Option<usize>,
    /// Most hard negatives of a query.
    pub negatives: usize,
    /// Easy negatives of a query: documents that no stage found, at random.
    pub random: usize,
    /// Whether the cross-encoder scores each pair, for a model to learn from.
    pub teacher: bool,
    /// Where random choices come from.
    pub seed: u64,
}

/// A query and what answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sought {
    /// The query.
    pub query: Query,
    /// What is relevant to it.
    pub answers: Vec<Answer>,
    /// Documents that were judged not to be relevant.
    pub refused: Vec<DocId>,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is relevant to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The document.
    pub doc: DocId,
    /// Its grade, above 0.
    pub grade: Grade,
    /// What answers; `None` for the passage of the document that the stages score highest.
    pub text: Option<String>,
}

/// Where a query comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given, with judgments.
    Judged,
    /// The title of a document.
    Title,
    /// A heading of a document.
    Heading,
}

impl Origin {
    /// Whether nobody asked the query, nor judged what answers it.
    pub fn is_silver(self) -> bool {
        self != Origin::Judged
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Judged => "judged",
            Origin::Title => "title",
            Origin::Heading => "heading",
        }
    }
}

/// A query with passages to learn from: first those that are relevant, best first, then hard
/// negatives, then easy ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Mined {
    /// The query's id.
    pub query_id: String,
    /// Its text.
    pub query: String,
    /// Where it comes from.
    pub origin: Origin,
    /// At least one of a grade above 0 and one of 0.
    pub passages: Vec<MinedPassage>,
}

/// A passage to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct MinedPassage {
    /// The corpus's id of its document.
    pub doc: String,
    /// What a model reads.
    pub text: String,
    /// Above 0 if it is relevant.
    pub grade: Grade,
    /// Why it is here.
    pub source: Source,
    /// The cross-encoder's score, if it was asked.
    pub cross: Option<f32>,
}

/// Why a passage was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// It answers the query.
    Answer,
    /// A stage found it.
    Stage {
        /// The stage with the best rank.
        stage: StageName,
        /// The rank, from 1.
        rank: usize,
        /// The stage's raw score.
        score: f32,
    },
    /// Chance.
    Random,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MineReport {
    /// Queries that were looked at.
    pub queries: usize,
    /// Those of which something can be learned.
    pub mined: usize,
    /// Those without a relevant document in the index.
    pub without_answer: usize,
    /// Those without any negative.
    pub without_negative: usize,
    /// Relevant passages.
    pub answers: usize,
    /// Relevant passages beyond the most of a query.
    pub answers_left_out: usize,
    /// Hard negatives by the stage with the best rank.
    pub hard: BTreeMap<StageName, usize>,
    /// Easy negatives.
    pub random: usize,
    /// Candidates within the window that score too highly beside what is relevant.
    pub above_margin: usize,
    /// Candidates that the cross-encoder finds relevant.
    pub guarded: usize,
    /// Candidates with the text of a relevant passage.
    pub same_text: usize,
    /// Pairs that the cross-encoder read.
    pub read: usize,
}

impl MineRequest<'_> {
    /// Whether the cross-encoder is needed.
    pub fn asks_cross(&self) -> bool {
        self.teacher || self.guard.is_some()
    }

    fn check(&self, engine: &Engine) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::Request(text));
        let (from, to) = (*self.ranks.start(), *self.ranks.end());
        if from == 0 || to < from {
            return refuse(format!(
                "the ranks are {from} to {to}; they count from 1 and must not end before they begin"
            ));
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        if let Some(margin) = self.margin.filter(|margin| !share(*margin)) {
            return refuse(format!(
                "the margin is {margin}; it is a share, from 0 to below 1"
            ));
        }
        if let Some(guard) = self.guard.filter(|guard| !(*guard > 0.0 && *guard <= 1.0)) {
            return refuse(format!(
                "the guard is {guard}; it is a probability, above 0 and at most 1"
            ));
        }
        if self.relevant == Some(0) {
            return refuse("no relevant passage is asked for; a query needs at least one".into());
        }
        if self.negatives + self.random == 0 {
            return refuse("neither hard nor random negatives are asked for".into());
        }
        if self.stages.is_empty() && self.negatives > 0 {
            return refuse("no stage is named that hard negatives could come from".into());
        }
        let available = &engine.available().stages;
        for name in &self.stages {
            let stage = available.iter().find(|stage| stage.name == *name);
            if !stage.is_some_and(|stage| stage.capabilities.retrieves) {
                return refuse(format!(
                    "the {name} stage of this index was not opened or does not retrieve, so that it has no ranks"
                ));
            }
        }
        if self.asks_cross() && !engine.stages().contains(&StageName::CROSS) {
            return refuse(
                "guard and teacher need a cross-encoder, and the index has none; build it with one (cross.model)".into(),
            );
        }
        Ok(())
    }
}

/// The judged queries of `topics`, with their judgments.
///
/// # Errors
/// If the index cannot be read.
pub fn judged(engine: &Engine, topics: &Topics) -> Result<Vec<Sought>, Error> {
    let mut all = Vec::with_capacity(topics.queries.len());
    for query in &topics.queries {
        let (mut answers, mut refused) = (Vec::new(), Vec::new());
        for (id, grade) in topics.qrels.query(&query.id).into_iter().flatten() {
            match engine.find(id)? {
                Some(doc) if *grade > 0 => answers.push(Answer {
                    doc,
                    grade: *grade,
                    text: None,
                }),
                Some(doc) => refused.push(doc),
                None => {}
            }
        }
        answers.sort_by_key(|answer| (-answer.grade, answer.doc));
        all.push(Sought {
            query: query.clone(),
            answers,
            refused,
            origin: Origin::Judged,
        });
    }
    Ok(all)
}

/// Finds passages to learn from for each query, in order, and hands them to `take`.
///
/// # Errors
/// If the request cannot be followed, a query is blank, a stage fails, the index cannot be read,
/// `take` fails, or `progress` says to stop.
pub fn mine(
    engine: &Engine,
    request: &MineRequest<'_>,
    sought: &[Sought],
    progress: &dyn Progress,
    take: &mut dyn FnMut(Mined) -> Result<(), Error>,
) -> Result<MineReport, Error> {
    request.check(engine)?;
    if let Some(blank) = sought.iter().find(|one| one.query.text.trim().is_empty()) {
        return Err(Error::Request(format!(
            "the query `{}` is blank",
            blank.query.id
        )));
    }
    let scoring = engine.manifest().models.cross_scoring();
    let mut report = MineReport::default();
    progress.begin("mining", Some(sought.len() as u64), "queries");
    for some in sought.chunks(BATCH) {
        stop_if_asked(progress)?;
        let queries: Vec<&Query> = some.iter().map(|one| &one.query).collect();
        let begin = |stage: StageName| {
            let begun = engine.begin(stage, &queries, request.profile.parameters());
            begun.map_err(|source| Error::Stage {
                stage,
                query: query_name(queries[0]),
                source,
            })
        };
        let mut begun = Vec::new();
        for stage in &request.stages {
            begun.push((*stage, begin(*stage)?));
        }
        let cross = request.asks_cross().then(|| begin(StageName::CROSS));
        let cross = cross.transpose()?;
        for (at, one) in some.iter().enumerate() {
            stop_if_asked(progress)?;
            let stages: Vec<(StageName, &dyn StageQuery)> = begun
                .iter()
                .map(|(name, answers)| (*name, answers[at].as_ref()))
                .collect();
            let work = Work {
                engine,
                request,
                scoring: &scoring,
                sought: one,
                stages,
                cross: cross.as_ref().map(|answers| answers[at].as_ref()),
            };
            report.queries += 1;
            if let Some(mined) = work.mine(&mut report)? {
                report.mined += 1;
                take(mined)?;
            }
            progress.advance(1);
        }
    }
    progress.end();
    Ok(report)
}
