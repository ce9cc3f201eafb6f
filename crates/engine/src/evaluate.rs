//! Evaluation: every stage alone and every fusion, on the same gathered candidates.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use treffer_eval::{Evaluation, Metric, Run, RunEntry};
use treffer_fusion::{Aggregation, Normalization};
use treffer_types::{Candidate, DocId, Progress, Query, Score, StageName};

use crate::engine::Engine;
use crate::error::Error;
use crate::gather::{Gathered, Gatherer};
use crate::learned::Ranker;
use crate::pipeline::{Available, Pipeline};
use crate::profile::{Order, Profile};
use crate::profiles::Profiles;
use crate::rerank_order::first_to_rerank;
use crate::stages::LEAST_BM25;
use crate::topics::Topics;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Each stage alone, then each fusion; the last one is the profile's own order.
    pub rows: Vec<Row>,
    /// Times of all queries by stage, unsorted, in milliseconds of wall-clock time.
    pub times: Vec<(StageName, Vec<Duration>)>,
    /// The judged queries, in the order of the values.
    pub gathered: Vec<Gathered>,
}

/// One ranking of every query, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A stage, `bm25+dense`, `hybrid`, or `learned`.
    pub name: String,
    /// The rankings.
    pub run: Run,
    /// Their values of each metric.
    pub evaluation: Evaluation,
    /// Of the first ten hits of every query: how many are judged, and how many there are.
    pub judged: (usize, usize),
}

/// Ranks at which a row's judged hits are counted.
const JUDGED_DEPTH: usize = 10;

/// The row of the fusion of all stages by weights.
const HYBRID: &str = "hybrid";

/// The row of a learned fusion.
const LEARNED: &str = "learned";

/// Measures `metrics` for each stage that the profile runs and for their fusions, where the
/// profile gives the fused stages any weight. Queries are searched under the filter of `topics`,
/// and those in a language for which the profile names another profile of the index under that.
///
/// The rows of one stage hold what that stage alone would have returned: the
/// candidates it retrieved, or those it was given where it only scored. The row of a
/// reranker continues with the candidates that it did not score, in the order in which it
/// would have taken them.
///
/// # Errors
/// If a stage cannot be run, one counts from the time of the search, or `progress` says to stop.
pub fn evaluate(
    engine: &Engine,
    profile: &Profile,
    only: Option<&[StageName]>,
    topics: &Topics,
    metrics: &[Metric],
    progress: &dyn Progress,
) -> Result<Measurement, Error> {
    let profiles = Profiles::new(engine, profile)?;
    evaluate_under(engine, &profiles, only, topics, metrics, progress)
}

/// As [`evaluate`], each query under the profile for its language. A row that some of the profiles
/// that are used do not have, such as that of a stage they do not run, is left out.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_under(
    engine: &Engine,
    profiles: &Profiles,
    only: Option<&[StageName]>,
    topics: &Topics,
    metrics: &[Metric],
    progress: &dyn Progress,
) -> Result<Measurement, Error> {
    let texts = topics.queries.iter().map(|query| query.text.as_str());
    let places: Vec<usize> = texts.map(|text| profiles.place(engine, text)).collect();
    let mut used = Vec::new();
    for (place, profile) in profiles.all().iter().enumerate() {
        let is_used = places.contains(&place);
        let one = is_used.then(|| Used::new(engine, profile, only, topics));
        used.push(one.transpose()?);
    }
    let of_query = |n: usize| used[places[n]].as_ref().expect("a query uses it");
    let gathered = topics.gather_by(progress, |n, query| of_query(n).gatherer.gather(query))?;
    let used_by_some: Vec<&Used> = used.iter().flatten().collect();
    let mut ids = Ids {
        engine,
        known: HashMap::new(),
    };
    let mut rows = Vec::new();
    for name in names(&used_by_some) {
        let mut run = Run::default();
        for (n, (query, gathered)) in topics.queries.iter().zip(&gathered).enumerate() {
            let Some(ranking) = of_query(n).ranking(&name) else {
                continue; // all have it
            };
            let order = ranking.order(engine, query, &gathered.candidates)?;
            let entries = ids.entries(&gathered.candidates, &order)?;
            run.0.insert(query.id.clone(), entries);
        }
        let evaluation = Evaluation::new(&run, &topics.qrels, metrics)?;
        let judged = judged_hits(&run, topics);
        rows.push(Row {
            name,
            run,
            evaluation,
            judged,
        });
    }
    let mut stages: Vec<StageName> = Vec::new();
    for stage in used_by_some.iter().flat_map(|one| one.pipeline.stages()) {
        if !stages.contains(stage) {
            stages.push(*stage);
        }
    }
    Ok(Measurement {
        rows,
        times: times(&stages, &gathered),
        gathered,
    })
}

/// A profile that is evaluated.
struct Used {
    pipeline: Pipeline,
    gatherer: Gatherer,
    rankings: Vec<Ranking>,
}

impl Used {
    fn new(
        engine: &Engine,
        profile: &Profile,
        only: Option<&[StageName]>,
        topics: &Topics,
    ) -> Result<Self, Error> {
        let available = topics.available(engine);
        // All stages get a row; what a search ranks by may be less.
        let (pipeline, deciding) = match only {
            Some(only) => {
                let pipeline = Pipeline::only(profile, &available, only)?;
                (pipeline.clone(), pipeline)
            }
            None => (
                Pipeline::of(profile, &available)?,
                Pipeline::effective(profile, &available)?,
            ),
        };
        engine.refuse_moving_now(pipeline.stages(), "an evaluation")?;
        Ok(Used {
            rankings: rankings(engine, profile, &pipeline, &deciding, &available)?,
            gatherer: Gatherer::new(engine, profile, pipeline.clone()).among(topics.allowed()),
            pipeline,
        })
    }

    /// The ranking of this name. The fusion of all stages also has the name that it has where more
    /// stages run.
    fn ranking(&self, name: &str) -> Option<&Ranking> {
        let named = |name: &str| self.rankings.iter().find(|ranking| ranking.name() == name);
        let is_hybrid = name == joined(self.pipeline.stages());
        named(name).or_else(|| named(HYBRID).filter(|_| is_hybrid))
    }
}

/// The rows that all profiles have.
fn names(used: &[&Used]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for ranking in used.iter().flat_map(|one| &one.rankings) {
        let name = ranking.name();
        if !names.contains(&name) && used.iter().all(|one| one.ranking(&name).is_some()) {
            names.push(name);
        }
    }
    // Each stage alone, then each fusion, the whole one last.
    names.sort_by_key(|name| (name == LEARNED, name == HYBRID, name.contains('+')));
    names
}

fn joined(stages: &[StageName]) -> String {
    let names: Vec<&str> = stages.iter().map(StageName::as_str).collect();
    names.join("+")
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

/// A ranking of the candidates that gets a row.
enum Ranking {
    /// By the score of one stage.
    Stage {
        stage: StageName,
        /// How many it retrieves; `None` if it scores what others retrieved.
        depth: Option<usize>,
        aggregation: Aggregation,
    },
    /// By the score of a reranker, then the others in the order in which it takes them.
    Reranker {
        stage: StageName,
        order: Order,
        before: Normalization,
    },
    Fusion(String, Ranker),
}

fn rankings(
    engine: &Engine,
    profile: &Profile,
    pipeline: &Pipeline,
    deciding: &Pipeline,
    available: &Available,
) -> Result<Vec<Ranking>, Error> {
    let single = |stage: &StageName| match pipeline.reranks(*stage) {
        None => Ranking::Stage {
            stage: *stage,
            depth: pipeline.retrieves(*stage),
            aggregation: profile.aggregation,
        },
        Some((_, order)) => Ranking::Reranker {
            stage: *stage,
            order,
            before: pipeline.normalization_before(*stage, profile.scaling()),
        },
    };
    let mut rankings: Vec<Ranking> = pipeline.stages().iter().map(single).collect();
    let linear = |name: String, fusion| Ranking::Fusion(name, Ranker::Linear(fusion));
    let scorers = pipeline.scorers();
    if pipeline.reranker().is_some() && scorers.len() > 1 {
        let without = Pipeline::only(profile, available, &scorers)?.fusion(profile);
        rankings.extend(without.map(|fusion| linear(joined(&scorers), fusion)));
    }
    if pipeline.stages().len() > 1 {
        rankings.extend(
            deciding
                .fusion(profile)
                .map(|fusion| linear(HYBRID.into(), fusion)),
        );
    }
    if profile.learned_for(deciding.stages()).is_some() {
        let learned = Ranker::new(engine, profile, deciding)?;
        rankings.push(Ranking::Fusion(LEARNED.into(), learned));
    }
    Ok(rankings)
}

impl Ranking {
    fn name(&self) -> String {
        match self {
            Ranking::Stage { stage, .. } | Ranking::Reranker { stage, .. } => stage.to_string(),
            Ranking::Fusion(name, _) => name.clone(),
        }
    }

    /// Places in `candidates`, best first, with their scores.
    fn order(
        &self,
        engine: &Engine,
        query: &Query,
        candidates: &[Candidate],
    ) -> Result<Vec<(usize, f64)>, Error> {
        Ok(match self {
            Ranking::Fusion(_, ranker) => ranker
                .fuse(engine, query, candidates)?
                .into_iter()
                .map(|fused| (fused.candidate, fused.score))
                .collect(),
            Ranking::Stage {
                stage,
                depth,
                aggregation,
            } => stage_order(candidates, *stage, *depth, *aggregation),
            Ranking::Reranker {
                stage,
                order,
                before,
            } => reranked_order(candidates, *stage, *order, before),
        })
    }
}

fn stage_order(
    candidates: &[Candidate],
    stage: StageName,
    depth: Option<usize>,
    aggregation: Aggregation,
) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, Score)> = scored(candidates, stage, aggregation);
    if stage == StageName::BM25 {
        order.retain(|(_, score)| *score > LEAST_BM25);
    }
    sort_by_score(&mut order, candidates);
    order.truncate(depth.unwrap_or(usize::MAX));
    order
        .into_iter()
        .map(|(at, score)| (at, f64::from(score.value())))
        .collect()
}

fn reranked_order(
    candidates: &[Candidate],
    stage: StageName,
    order: Order,
    before: &Normalization,
) -> Vec<(usize, f64)> {
    let mut reranked = stage_order(candidates, stage, None, before.aggregation);
    let last = reranked.last().map_or(0.0, |(_, score)| *score);
    let all = first_to_rerank(candidates, order, before, candidates.len());
    let rest = all
        .into_iter()
        .filter(|at| !candidates[*at].is_scored_by(stage));
    let unread = (0..candidates.len()).filter(|at| {
        // Those that it cannot read have no place in its order.
        candidates[*at].is_unreadable && !candidates[*at].is_scored_by(stage)
    });
    let rest = rest.chain(unread);
    reranked.extend((1..).zip(rest).map(|(n, at)| (at, last - f64::from(n))));
    reranked
}

fn scored(
    candidates: &[Candidate],
    stage: StageName,
    aggregation: Aggregation,
) -> Vec<(usize, Score)> {
    let scores = candidates
        .iter()
        .map(|candidate| aggregation.aggregate(candidate, stage))
        .enumerate();
    scores
        .filter_map(|(at, score)| Some((at, score?)))
        .collect()
}

fn sort_by_score(order: &mut [(usize, Score)], candidates: &[Candidate]) {
    order.sort_by(|(a, score_a), (b, score_b)| {
        score_b
            .cmp(score_a)
            .then(candidates[*a].doc.cmp(&candidates[*b].doc))
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
pub fn times(stages: &[StageName], gathered: &[Gathered]) -> Vec<(StageName, Vec<Duration>)> {
    let times = stages.iter().filter_map(|stage| {
        let of_query = |gathered: &Gathered| {
            let traces = gathered.traces.iter().filter(|trace| trace.stage == *stage);
            traces.map(|trace| trace.elapsed).reduce(|a, b| a + b)
        };
        let times: Vec<Duration> = gathered.iter().filter_map(of_query).collect();
        (!times.is_empty()).then_some((*stage, times))
    });
    times.collect()
}

/// The corpus's ids of documents, each read once.
struct Ids<'a> {
    engine: &'a Engine,
    known: HashMap<DocId, String>,
}

impl Ids<'_> {
    fn entries(
        &mut self,
        candidates: &[Candidate],
        order: &[(usize, f64)],
    ) -> Result<Vec<RunEntry>, Error> {
        let mut entries = Vec::with_capacity(order.len());
        for (at, score) in order {
            let doc = self.id(candidates[*at].doc)?;
            entries.push(RunEntry { doc, score: *score });
        }
        Ok(entries)
    }

    fn id(&mut self, doc: DocId) -> Result<String, Error> {
        if let Some(id) = self.known.get(&doc) {
            return Ok(id.clone());
        }
        let id = self.engine.doc_id(doc)?.to_owned();
        self.known.insert(doc, id.clone());
        Ok(id)
    }
}
