//! What it costs to keep vectors in fewer bytes: the quality of one collection in each form.
//!
//! `cargo xtask bench storage -- COLLECTION [--split test] [--model NAME] [--folder FOLDER]`
//! indexes a folder in BEIR's layout with the preset `english` without its cross-encoder, once for
//! each `dense.storage`, and measures the bi-encoder on the queries of the split. The model reads
//! each text once: all indexes are built of the same vectors.
//!
//! Measured for each form:
//! - `vectors`: bytes of the part `dense`, which is vectors and their graph, and bytes a vector.
//! - nDCG@10 and recall@100 by scanning all vectors, and through the graph with the profile's beam.
//! - `same`: the share of the ten best documents of a scan that are also among those of `f32`.
//!
//! Figures do not depend on the machine. Caveat: a collection of some thousand documents says
//! little of how the forms differ where a million lie closer together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use treffer::StandardModels;
use treffer_corpus::{JudgmentOptions, QueryOptions, ReadOptions, read_judgments, read_queries};
use treffer_engine::build::{BuildRequest, build};
use treffer_engine::config::{Base, Config};
use treffer_engine::evaluate::evaluate;
use treffer_engine::models::ModelSource;
use treffer_engine::profile::Profile;
use treffer_engine::topics::Topics;
use treffer_engine::{Device, Engine, OpenOptions};
use treffer_types::{
    BoxError, Embedder, Embedding, Fingerprint, ModelSpec, NoProgress, PairScorer, StageName,
};

type Result<T> = std::result::Result<T, BoxError>;

const STORAGES: [&str; 3] = ["f32", "f16", "int8"];

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

fn run() -> Result<()> {
    let (mut collection, mut folder) = (None, None);
    let (mut split, mut model) = ("test".to_owned(), "bge-small-en-v1.5".to_owned());
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word.as_str() {
            "--split" => split = value()?,
            "--model" => model = value()?,
            "--folder" => folder = Some(PathBuf::from(value()?)),
            _ => collection = Some(PathBuf::from(word)),
        }
    }
    let collection = collection.ok_or("name the folder of a collection")?;
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("treffer-bench-storage"));
    let bench = Bench {
        qrels: collection.join("qrels").join(format!("{split}.tsv")),
        collection,
        folder,
        model,
        models: Once {
            models: StandardModels::from_default_cache()?,
            embedder: OnceLock::new(),
        },
    };
    println!(
        "| storage | vectors | bytes each | nDCG@10, scan | recall@100, scan | nDCG@10, graph | recall@100, graph | same as f32 |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut first = None;
    for storage in STORAGES {
        let measured = bench.measure(storage)?;
        let of_f32 = first.get_or_insert_with(|| measured.best.clone());
        let same = share(&measured.best, of_f32);
        let Measured {
            bytes,
            n_vectors,
            scan,
            graph,
            ..
        } = measured;
        println!(
            "| {storage} | {:.1} MB | {:.0} | {:.4} | {:.4} | {:.4} | {:.4} | {:.2} % |",
            bytes as f64 / 1e6,
            bytes as f64 / f64::from(n_vectors),
            scan[0],
            scan[1],
            graph[0],
            graph[1],
            100.0 * same
        );
    }
    Ok(())
}

struct Bench {
    collection: PathBuf,
    qrels: PathBuf,
    folder: PathBuf,
    model: String,
    models: Once,
}

/// The ten best documents of each query.
type Best = BTreeMap<String, BTreeSet<String>>;

struct Measured {
    bytes: u64,
    n_vectors: u32,
    /// nDCG@10 and recall@100.
    scan: [f64; 2],
    graph: [f64; 2],
    best: Best,
}

impl Bench {
    fn measure(&self, storage: &str) -> Result<Measured> {
        let dir = self.folder.join(storage);
        let keys = [
            format!("dense.model={}", self.model),
            format!("dense.storage={storage}"),
        ];
        let mut config = Config::load(Base::Preset("english"), &keys)?;
        config.cross = None;
        let request = BuildRequest {
            dir: &dir,
            inputs: std::slice::from_ref(&self.collection),
            vectors: None,
            reading: &ReadOptions::default(),
            config: &config,
            replace: true,
            strict: false,
            commit_every: None,
        };
        eprintln!("indexing with {storage}");
        build(&request, &self.models, &NoProgress, &mut |problem| {
            eprintln!("{problem}");
        })?;
        let engine = Engine::open(&dir, &OpenOptions::default(), &self.models)?;
        let topics = self.topics(&engine)?;
        let profile = engine.profile(&Default::default())?;
        let (scan, best) = evaluated(&engine, &topics, &profile, usize::MAX)?;
        let (graph, _) = evaluated(&engine, &topics, &profile, 0)?;
        let segments = &engine.manifest().segments;
        let folders = segments.iter().map(|one| dir.join(&one.name).join("dense"));
        let bytes = folders.map(|folder| size(&folder)).sum::<Result<u64>>()?;
        Ok(Measured {
            bytes,
            n_vectors: engine.n_passages(),
            scan,
            graph,
            best,
        })
    }

    fn topics(&self, engine: &Engine) -> Result<Topics> {
        let complain = |problem: &dyn std::fmt::Display| eprintln!("{problem}");
        let queries = self.collection.join("queries.jsonl");
        let queries = read_queries(&queries, &QueryOptions::default(), &mut |problem| {
            complain(&problem);
        })?;
        let judgments = read_judgments(&self.qrels, &JudgmentOptions::default(), &mut |problem| {
            complain(&problem);
        })?;
        Ok(Topics::new(engine, queries, judgments.qrels, None)?)
    }
}

/// nDCG@10 and recall@100 of the bi-encoder, and the ten best documents.
fn evaluated(
    engine: &Engine,
    topics: &Topics,
    profile: &Profile,
    exact_below: usize,
) -> Result<([f64; 2], Best)> {
    let profile = Profile {
        exact_below,
        ..profile.clone()
    };
    let metrics = ["nDCG@10".parse()?, "Recall@100".parse()?];
    let only = [StageName::DENSE];
    let measured = evaluate(engine, &profile, Some(&only), topics, &metrics, &NoProgress)?;
    let row = measured.rows.first().ok_or("nothing was measured")?;
    let best = topics.queries.iter().map(|query| {
        let ten = row.run.ranking(&query.id).take(10);
        (query.id.clone(), ten.map(str::to_owned).collect())
    });
    let values = row.evaluation.summary();
    Ok(([values[0], values[1]], best.collect()))
}

/// The share of what is in `best` that is also in `other`.
fn share(best: &Best, other: &Best) -> f64 {
    let (mut n, mut n_same) = (0, 0);
    for (query, documents) in best {
        let others = other.get(query);
        n += documents.len();
        n_same += others.map_or(0, |others| others.intersection(documents).count());
    }
    n_same as f64 / n.max(1) as f64
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

/// The standard models, of which the bi-encoder is loaded once and remembers what it has read.
struct Once {
    models: StandardModels<'static>,
    embedder: OnceLock<Arc<Remembering>>,
}

impl ModelSource for Once {
    fn embedder(&self, name: &str, device: Device) -> Result<Arc<dyn Embedder>> {
        if let Some(there) = self.embedder.get() {
            return Ok(Arc::<Remembering>::clone(there));
        }
        let inner = self.models.embedder(name, device)?;
        let embedder = self.embedder.get_or_init(|| {
            Arc::new(Remembering {
                inner,
                passages: Mutex::default(),
                queries: Mutex::default(),
            })
        });
        Ok(Arc::<Remembering>::clone(embedder))
    }

    fn pair_scorer(&self, name: &str, device: Device) -> Result<Arc<dyn PairScorer>> {
        self.models.pair_scorer(name, device)
    }
}

type Memory = Mutex<HashMap<String, Embedding>>;

struct Remembering {
    inner: Arc<dyn Embedder>,
    passages: Memory,
    queries: Memory,
}

/// What `embed` makes of each text, which is asked only for those that it has not seen.
fn remembered(
    memory: &Memory,
    texts: &[&str],
    embed: impl Fn(&[&str]) -> Result<Vec<Embedding>>,
) -> Result<Vec<Embedding>> {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let unseen = texts.iter().filter(|text| !memory.contains_key(**text));
    let unseen: Vec<&str> = unseen.copied().collect();
    if !unseen.is_empty() {
        let new = embed(&unseen)?;
        memory.extend(unseen.iter().map(|text| (*text).to_owned()).zip(new));
    }
    let of_text = |text: &&str| memory.get(*text).cloned();
    let embeddings: Option<Vec<Embedding>> = texts.iter().map(of_text).collect();
    embeddings.ok_or_else(|| "the model returned fewer vectors than it was given texts".into())
}

impl Embedder for Remembering {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn fingerprint(&self) -> &Fingerprint {
        self.inner.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>> {
        let embed = |texts: &[&str]| self.inner.embed_queries(texts);
        remembered(&self.queries, queries, embed)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>> {
        let embed = |texts: &[&str]| self.inner.embed_passages(texts);
        remembered(&self.passages, passages, embed)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>> {
        self.inner.token_ends(text)
    }

    fn passage_room(&self) -> Result<usize> {
        self.inner.passage_room()
    }
}
