//! Measuring: every stage alone and every fusion, on the same gathered candidates.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use treffer_eval::{Evaluation, Metric, Run, RunEntry};
use treffer_types::{Candidate, DocId, Progress, Query, Score, StageName};

use crate::error::{Error, part};
use crate::gather::{Gathered, Plan};
use crate::index::Index;
use crate::learned::Ranker;
use crate::profile::{Mode, Profile};
use crate::stages::promise;
use crate::topics::Topics;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Each stage alone, then each fusion; the last one is the profile's own order.
    pub rows: Vec<Row>,
    /// Times of all queries by stage, unsorted, in milliseconds of wall-clock time.
    pub times: Vec<(StageName, Vec<Duration>)>,
    /// What was measured on, in the order of the queries.
    pub gathered: Vec<Gathered>,
}

/// One ranking of every query, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A stage, `bm25+dense`, `hybrid`, or `learned`.
    pub name: String,
    /// The rankings.
    pub run: Run,
    /// Their values.
    pub evaluation: Evaluation,
    /// How many of the first ten hits of all queries are judged, and how many hits
    /// that is of.
    pub judged: (usize, usize),
}

/// Ranks at which a row's judged hits are counted.
const JUDGED_DEPTH: usize = 10;

/// Measures `metrics` for each stage that the profile runs and for their fusions, as
/// far as the profile gives the fused stages any weight.
///
/// The rows of one stage hold what that stage alone would have returned: the
/// candidates it brought in, or those it was given where it only rescored. The row
/// of the cross-encoder goes on with the unread candidates, in order of promise.
///
/// # Errors
/// If a stage cannot be run, or `progress` says to stop.
pub fn evaluate(
    index: &Index,
    profile: &Profile,
    only: Option<&[StageName]>,
    topics: &Topics,
    metrics: &[Metric],
    progress: &dyn Progress,
) -> Result<Report, Error> {
    let plan = Plan::new(index, profile, only)?;
    let gathered = topics.gather(&plan, progress)?;
    let mut names = Names {
        index,
        known: HashMap::new(),
    };
    let mut rows = Vec::new();
    for ranking in rankings(index, profile, plan.stages())? {
        let mut run = Run::default();
        for (query, gathered) in topics.queries.iter().zip(&gathered) {
            let order = ranking.order(index, profile, query, &gathered.candidates)?;
            run.0.insert(
                query.id.clone(),
                names.entries(&gathered.candidates, &order)?,
            );
        }
        let evaluation = Evaluation::new(&run, &topics.qrels, metrics)?;
        let judged = judged_hits(&run, topics);
        rows.push(Row {
            name: ranking.name(),
            run,
            evaluation,
            judged,
        });
    }
    Ok(Report {
        rows,
        times: times(&gathered),
        gathered,
    })
}

impl Row {
    /// The mean of each metric over the queries with each tag, and how many queries
    /// these are.
    pub fn by_tag(&self, topics: &Topics) -> BTreeMap<String, (usize, Vec<f64>)> {
        let tags = topics.queries.iter().flat_map(|query| &query.tags);
        let tags: std::collections::BTreeSet<&String> = tags.collect();
        tags.into_iter()
            .filter_map(|tag| {
                let tagged: std::collections::HashSet<&str> = topics
                    .queries
                    .iter()
                    .filter(|query| query.tags.contains(tag))
                    .map(|query| query.id.as_str())
                    .collect();
                let part = self
                    .evaluation
                    .restricted_to(|query| tagged.contains(query))?;
                Some((tag.clone(), (part.queries.len(), part.summary())))
            })
            .collect()
    }
}

/// An order of the candidates that is worth a row.
enum Ranking {
    Stage(StageName),
    Fusion(&'static str, Ranker),
}

fn rankings(index: &Index, profile: &Profile, stages: &[StageName]) -> Result<Vec<Ranking>, Error> {
    let first_stages = [StageName::Bm25, StageName::Dense];
    let mut rankings: Vec<Ranking> = stages.iter().map(|stage| Ranking::Stage(*stage)).collect();
    let is_three_way = stages.len() == StageName::ALL.len();
    let two_way = is_three_way
        .then(|| profile.fusion(&first_stages))
        .flatten();
    let linear = |name, fusion| Ranking::Fusion(name, Ranker::Linear(fusion));
    rankings.extend(two_way.map(|fusion| linear("bm25+dense", fusion)));
    let all = (stages.len() > 1).then(|| profile.fusion(stages)).flatten();
    rankings.extend(all.map(|fusion| linear("hybrid", fusion)));
    if profile.learned_for(stages).is_some() {
        let learned = Ranker::new(index, profile, stages)?;
        rankings.push(Ranking::Fusion("learned", learned));
    }
    Ok(rankings)
}

impl Ranking {
    fn name(&self) -> String {
        match self {
            Ranking::Stage(stage) => stage.to_string(),
            Ranking::Fusion(name, _) => name.to_string(),
        }
    }

    /// Places in `candidates`, best first, with their scores.
    fn order(
        &self,
        index: &Index,
        profile: &Profile,
        query: &Query,
        candidates: &[Candidate],
    ) -> Result<Vec<(usize, f64)>, Error> {
        Ok(match self {
            Ranking::Fusion(_, ranker) => ranker
                .fuse(index, query, candidates)?
                .into_iter()
                .map(|fused| (fused.candidate, fused.score))
                .collect(),
            Ranking::Stage(StageName::Cross) => cross_order(profile, candidates),
            Ranking::Stage(stage) => stage_order(profile, candidates, *stage),
        })
    }
}

fn stage_order(profile: &Profile, candidates: &[Candidate], stage: StageName) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, Score)> = scored(candidates, stage);
    if stage == StageName::Bm25 {
        order.retain(|(_, score)| *score > Score::ZERO); // no query term: BM25 did not find it
    }
    sort_by_score(&mut order, candidates);
    match (stage, profile.mode) {
        (_, Mode::Exhaustive) | (StageName::Dense, Mode::Cascade) => {}
        (StageName::Dense, _) => order.truncate(profile.dense_depth),
        _ => order.truncate(profile.bm25_depth),
    }
    order
        .into_iter()
        .map(|(at, score)| (at, f64::from(score.value())))
        .collect()
}

fn cross_order(profile: &Profile, candidates: &[Candidate]) -> Vec<(usize, f64)> {
    let mut read = scored(candidates, StageName::Cross);
    sort_by_score(&mut read, candidates);
    let mut order: Vec<(usize, f64)> = read
        .into_iter()
        .map(|(at, score)| (at, f64::from(score.value())))
        .collect();
    let last = order.last().map_or(0.0, |(_, score)| *score);
    let promising = promise(
        candidates,
        profile.cross_order,
        &profile.normalizers,
        candidates.len(),
    );
    let unread = promising
        .into_iter()
        .filter(|at| is_unread(&candidates[*at]));
    order.extend((1..).zip(unread).map(|(n, at)| (at, last - f64::from(n))));
    order
}

fn is_unread(candidate: &Candidate) -> bool {
    candidate.scores.get(StageName::Cross).is_none()
}

fn scored(candidates: &[Candidate], stage: StageName) -> Vec<(usize, Score)> {
    let scores = candidates
        .iter()
        .map(|candidate| candidate.scores.get(stage))
        .enumerate();
    scores
        .filter_map(|(at, score)| Some((at, score?)))
        .collect()
}

fn sort_by_score(order: &mut [(usize, Score)], candidates: &[Candidate]) {
    order.sort_by(|(a, score_a), (b, score_b)| {
        score_b
            .cmp(score_a)
            .then(candidates[*a].passage.cmp(&candidates[*b].passage))
    });
}

fn judged_hits(run: &Run, topics: &Topics) -> (usize, usize) {
    let (mut judged, mut hits) = (0, 0);
    for query in &topics.queries {
        for doc in run.ranking(&query.id).take(JUDGED_DEPTH) {
            hits += 1;
            judged += usize::from(topics.qrels.grade(&query.id, doc).is_some());
        }
    }
    (judged, hits)
}

/// All times of each stage over the queries; a stage's two runs on one query are one.
pub fn times(gathered: &[Gathered]) -> Vec<(StageName, Vec<Duration>)> {
    let stages = StageName::ALL.into_iter().filter_map(|stage| {
        let of_query = |gathered: &Gathered| {
            let traces = gathered.traces.iter().filter(|trace| trace.stage == stage);
            traces.map(|trace| trace.elapsed).reduce(|a, b| a + b)
        };
        let times: Vec<Duration> = gathered.iter().filter_map(of_query).collect();
        (!times.is_empty()).then_some((stage, times))
    });
    stages.collect()
}

/// The corpus's names of documents, each read once.
struct Names<'a> {
    index: &'a Index,
    known: HashMap<DocId, String>,
}

impl Names<'_> {
    fn entries(
        &mut self,
        candidates: &[Candidate],
        order: &[(usize, f64)],
    ) -> Result<Vec<RunEntry>, Error> {
        let mut entries = Vec::with_capacity(order.len());
        for (at, score) in order {
            let doc = self.name(candidates[*at].doc())?;
            entries.push(RunEntry { doc, score: *score });
        }
        Ok(entries)
    }

    fn name(&mut self, doc: DocId) -> Result<String, Error> {
        if let Some(name) = self.known.get(&doc) {
            return Ok(name.clone());
        }
        let name = self
            .index
            .store
            .id(doc)
            .map_err(part("read", "store", self.index.dir()))?
            .to_string();
        self.known.insert(doc, name.clone());
        Ok(name)
    }
}
