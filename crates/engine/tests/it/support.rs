//! An index in a temporary folder, and stand-ins for the models that remember what
//! they were asked.

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use treffer_corpus::{Problem, ReadOptions};
use treffer_engine::api::{SearchOptions, SearchResponse};
use treffer_engine::build::{BuildRequest, Survey, WriteReport, build, survey};
use treffer_engine::config::{Base, Config};
use treffer_engine::gather::Gatherer;
use treffer_engine::models::ModelSource;
use treffer_engine::pipeline::Pipeline;
use treffer_engine::profile::Depths;
use treffer_engine::profile::Profile;
use treffer_engine::search::Searcher;
use treffer_engine::{Device, Error};
use treffer_engine::{Engine, OpenOptions};
use treffer_testkit::{FakeEmbedder, FakeScorer, FakeTokenEmbedder};
use treffer_types::{
    BothEmbeddings, BoxError, Document, Embedder, Embedding, Fingerprint, ModelSpec, NoProgress,
    PairScore, PairScorer, Progress, Query, StageMap, StageName, TextToken, TokenEmbedder,
    TokenEmbedding,
};

/// Stand-ins for all models. What the cross-encoder reads is logged.
#[derive(Clone, Default)]
pub(crate) struct Fakes {
    pub(crate) embedder: FakeEmbedder,
    pub(crate) token_embedder: FakeTokenEmbedder,
    pub(crate) scorer: FakeScorer,
    pub(crate) read: Arc<Mutex<Vec<String>>>,
    /// Whether the two that embed say that they are one network.
    pub(crate) is_one_network: bool,
    embedded: Arc<AtomicUsize>,
    token_embedded: Arc<AtomicUsize>,
    embedded_at_once: Arc<AtomicUsize>,
}

impl Fakes {
    /// Number of passages that were embedded with their tokens, in one pass, so far.
    pub(crate) fn n_embedded_at_once(&self) -> usize {
        self.embedded_at_once.load(Ordering::Relaxed)
    }

    /// Number of passages whose tokens were embedded so far.
    pub(crate) fn n_token_embedded(&self) -> usize {
        self.token_embedded.load(Ordering::Relaxed)
    }

    /// Number of passages that were embedded so far.
    pub(crate) fn n_embedded(&self) -> usize {
        self.embedded.load(Ordering::Relaxed)
    }

    /// The passages read since the last call, in order.
    pub(crate) fn take_read(&self) -> Vec<String> {
        std::mem::take(&mut self.read.lock().unwrap())
    }
}

impl ModelSource for Fakes {
    fn embedder(&self, _name: &str, _device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        Ok(Arc::new(Counted {
            embedder: self.embedder.clone(),
            embedded: Arc::clone(&self.embedded),
        }))
    }

    fn token_embedder(
        &self,
        _name: &str,
        _device: Device,
    ) -> Result<Arc<dyn TokenEmbedder>, BoxError> {
        Ok(Arc::new(CountedTokens {
            embedder: self.token_embedder.clone(),
            embedded: Arc::clone(&self.token_embedded),
            at_once: (self.is_one_network).then(|| Arc::clone(&self.embedded_at_once)),
        }))
    }

    fn pair_scorer(&self, _name: &str, _device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        Ok(Arc::new(Logged {
            scorer: self.scorer.clone(),
            read: Arc::clone(&self.read),
        }))
    }
}

struct Counted {
    embedder: FakeEmbedder,
    embedded: Arc<AtomicUsize>,
}

impl Embedder for Counted {
    fn spec(&self) -> &ModelSpec {
        self.embedder.spec()
    }

    fn fingerprint(&self) -> &Fingerprint {
        self.embedder.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.embedder.dimension()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        self.embedder.embed_queries(queries)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        self.embedded.fetch_add(passages.len(), Ordering::Relaxed);
        self.embedder.embed_passages(passages)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        self.embedder.token_ends(text)
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        self.embedder.passage_room()
    }
}

struct CountedTokens {
    embedder: FakeTokenEmbedder,
    embedded: Arc<AtomicUsize>,
    /// If it is the network of the bi-encoder.
    at_once: Option<Arc<AtomicUsize>>,
}

impl TokenEmbedder for CountedTokens {
    fn spec(&self) -> &ModelSpec {
        self.embedder.spec()
    }

    fn fingerprint(&self) -> &Fingerprint {
        self.embedder.fingerprint()
    }

    fn width(&self) -> usize {
        self.embedder.width()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        self.embedder.embed_queries(queries)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        self.embedded.fetch_add(passages.len(), Ordering::Relaxed);
        self.embedder.embed_passages(passages)
    }

    fn embed_passages_with(
        &self,
        embedder: &dyn Embedder,
        passages: &[&str],
    ) -> Result<Option<BothEmbeddings>, BoxError> {
        let Some(at_once) = &self.at_once else {
            return Ok(None);
        };
        at_once.fetch_add(passages.len(), Ordering::Relaxed);
        let counted = (embedder as &dyn Any).downcast_ref::<Counted>().unwrap();
        let embeddings = counted.embedder.embed_passages(passages)?;
        Ok(Some((embeddings, self.embedder.embed_passages(passages)?)))
    }

    fn query_tokens(&self, query: &str) -> Result<Vec<TextToken>, BoxError> {
        self.embedder.query_tokens(query)
    }

    fn passage_tokens(&self, passage: &str) -> Result<Vec<TextToken>, BoxError> {
        self.embedder.passage_tokens(passage)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        self.embedder.token_ends(text)
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        self.embedder.passage_room()
    }
}

struct Logged {
    scorer: FakeScorer,
    read: Arc<Mutex<Vec<String>>>,
}

impl PairScorer for Logged {
    fn spec(&self) -> &ModelSpec {
        self.scorer.spec()
    }

    fn fingerprint(&self) -> &Fingerprint {
        self.scorer.fingerprint()
    }

    fn score_pairs(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, BoxError> {
        let mut read = self.read.lock().unwrap();
        read.extend(passages.iter().map(std::string::ToString::to_string));
        self.scorer.score_pairs(query, passages)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        self.scorer.token_ends(text)
    }

    fn pair_room(&self) -> Result<usize, BoxError> {
        self.scorer.pair_room()
    }
}

/// Three stages over words that are neither stemmed nor stopped, with `overrides`.
pub(crate) fn config(overrides: &[&str]) -> Config {
    let plain = [
        "bm25.analyzer=plain",
        "dense.model=fake-embedder",
        "cross.model=fake-scorer",
    ];
    let all: Vec<String> = plain
        .iter()
        .chain(overrides)
        .map(std::string::ToString::to_string)
        .collect();
    Config::load(Base::Preset("english"), &all).unwrap()
}

/// A place for an index and its corpus.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) fakes: Fakes,
    pub(crate) config: Config,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) vectors: Option<PathBuf>,
    pub(crate) replace: bool,
    pub(crate) strict: bool,
    pub(crate) commit_every: Option<u32>,
}

impl Place {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Place {
            folder: tempfile::tempdir().unwrap(),
            fakes: Fakes::default(),
            config: config(&[]),
            inputs: Vec::new(),
            vectors: None,
            replace: false,
            strict: false,
            commit_every: None,
        }
    }

    /// With a corpus, not yet indexed.
    pub(crate) fn with_corpus(documents: &[Document]) -> Self {
        let mut place = Place::empty();
        place.set_corpus(documents);
        place
    }

    /// With a corpus and an index of it.
    pub(crate) fn built(documents: &[Document]) -> Self {
        let place = Place::with_corpus(documents);
        place.build().unwrap();
        place
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    pub(crate) fn segment(&self) -> PathBuf {
        self.dir().join("segment-1")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.dir().join("treffer.toml")
    }

    pub(crate) fn set_corpus(&mut self, documents: &[Document]) {
        self.inputs = vec![self.write_corpus("corpus.jsonl", documents)];
    }

    /// Writes a corpus beside the index.
    pub(crate) fn write_corpus(&self, name: &str, documents: &[Document]) -> PathBuf {
        let lines: Vec<String> = documents.iter().map(json_line).collect();
        let path = self.folder.path().join(name);
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    pub(crate) fn add_input(&mut self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        self.inputs.push(path.clone());
        path
    }

    pub(crate) fn build(&self) -> Result<WriteReport, Error> {
        self.build_with(&NoProgress, &mut Vec::new())
    }

    pub(crate) fn build_with(
        &self,
        progress: &dyn Progress,
        problems: &mut Vec<String>,
    ) -> Result<WriteReport, Error> {
        self.build_from(&self.fakes, progress, problems)
    }

    pub(crate) fn build_from(
        &self,
        source: &dyn ModelSource,
        progress: &dyn Progress,
        problems: &mut Vec<String>,
    ) -> Result<WriteReport, Error> {
        self.request(|request| {
            build(request, source, progress, &mut |problem: &Problem| {
                problems.push(problem.to_string());
            })
        })
    }

    pub(crate) fn survey(&self, problems: &mut Vec<String>) -> Result<Survey, Error> {
        self.request(|request| {
            survey(request, &NoProgress, &mut |problem: &Problem| {
                problems.push(problem.to_string());
            })
        })
    }

    fn request<T>(&self, run: impl FnOnce(&BuildRequest<'_>) -> T) -> T {
        run(&BuildRequest {
            dir: &self.dir(),
            inputs: &self.inputs,
            vectors: self.vectors.as_deref(),
            reading: &ReadOptions::default(),
            config: &self.config,
            replace: self.replace,
            strict: self.strict,
            commit_every: self.commit_every,
        })
    }

    pub(crate) fn try_open(&self) -> Result<Engine, Error> {
        Engine::open(&self.dir(), &OpenOptions::default(), &self.fakes)
    }

    pub(crate) fn open(&self) -> Engine {
        self.try_open()
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// The message with which opening fails, causes and all.
    pub(crate) fn refusal(&self) -> String {
        chain(&self.try_open().err().expect("opening fails"))
    }
}

fn json_line(document: &Document) -> String {
    let mut record = document.metadata.clone();
    record.insert("_id".into(), document.id.clone().into());
    record.insert("title".into(), document.title.clone().into());
    record.insert("text".into(), document.text.clone().into());
    let record = serde_json::Value::Object(record);
    format!("{record}\n")
}

pub(crate) fn document(id: &str, text: &str) -> Document {
    Document {
        id: id.into(),
        text: text.into(),
        ..Document::default()
    }
}

pub(crate) fn query(id: &str, text: &str) -> Query {
    Query {
        id: id.into(),
        ..Query::text(text)
    }
}

/// An error with all its causes, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

pub(crate) const BM25: StageName = StageName::BM25;
pub(crate) const DENSE: StageName = StageName::DENSE;
pub(crate) const CROSS: StageName = StageName::CROSS;
/// The standard stages, in the order in which they run.
pub(crate) const ALL: [StageName; 3] = [BM25, DENSE, CROSS];

pub(crate) fn by_stage<T: Clone>(bm25: T, dense: T, cross: T) -> StageMap<T> {
    ALL.into_iter().zip([bm25, dense, cross]).collect()
}

pub(crate) fn depths(bm25: usize, dense: usize, cross: usize) -> Depths {
    let depths = Depths::default().with(BM25, bm25).with(DENSE, dense);
    depths.with(CROSS, cross)
}

/// Searches that return every candidate and what explains it.
pub(crate) fn everything() -> SearchOptions {
    SearchOptions {
        top_k: usize::MAX,
        explain: true,
        ..SearchOptions::default()
    }
}

pub(crate) fn gatherer(engine: &Engine, profile: &Profile) -> Gatherer {
    let pipeline = Pipeline::of(profile, engine.available()).unwrap();
    Gatherer::new(engine, profile, pipeline)
}

pub(crate) fn search(engine: &Engine, profile: &Profile, text: &str) -> SearchResponse {
    Searcher::new(engine, profile, &everything())
        .unwrap()
        .search(&Query::text(text))
        .unwrap()
}

/// The raw score that a stage gave a hit.
pub(crate) fn raw(hit: &treffer_engine::api::Hit, stage: StageName) -> Option<f32> {
    hit.stages.get(stage)?.raw.map(treffer_types::Score::value)
}

pub(crate) fn ids(result: &SearchResponse) -> Vec<&str> {
    result.hits.iter().map(|hit| hit.id.as_str()).collect()
}

/// Every file below `dir` with its content, by path.
pub(crate) fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = files_below(dir)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
