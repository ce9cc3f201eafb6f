//! A part of a collection, indexed, with the scores of its queries.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use treffer::StandardModels;
use treffer_corpus::{
    JudgmentOptions, QueryOptions, ReadOptions, Record, read_documents, read_judgments,
    read_queries,
};
use treffer_engine::build::{BuildRequest, build};
use treffer_engine::config::{Base, Config};
use treffer_engine::topics::Topics;
use treffer_engine::tune::{Pool, Prior, TuneRequest, gather_pools};
use treffer_engine::{Engine, OpenOptions};
use treffer_types::{NoProgress, StageName};

use crate::{Arguments, Result, request};

/// Candidates that the cross-encoder reads.
const CROSS_DEPTH: usize = 20;

/// A part of a collection, with the scores of its queries.
pub(crate) struct Collection {
    pub(crate) name: String,
    pub(crate) stages: Vec<StageName>,
    pub(crate) pools: Vec<Pool>,
}

/// At most `n` of some things, evenly spaced.
fn spaced<T: Clone>(all: &[T], n: usize) -> Vec<T> {
    let n_taken = n.min(all.len());
    let place = |at| at * all.len() / n_taken.max(1);
    (0..n_taken).map(|at| all[place(at)].clone()).collect()
}

impl Collection {
    pub(crate) fn prepare(arguments: &Arguments, name: String) -> Result<Self> {
        let folder = arguments.folder.join(&name);
        let (data, dir) = (folder.join("data"), folder.join("index"));
        if !data.join("corpus.jsonl").exists() {
            cut(&arguments.collections.join(&name), &data, arguments)?;
        }
        let is_german = name.ends_with("-de");
        let base = Base::Preset(if is_german { "german" } else { "quick" });
        let cross = Config::preset("english")?.cross.ok_or("no cross-encoder")?;
        let mut config = Config::load(base, &[])?;
        if !is_german {
            config.cross = Some(cross);
        }
        let models = StandardModels::from_default_cache()?;
        if !dir.exists() {
            let request = BuildRequest {
                dir: &dir,
                inputs: std::slice::from_ref(&data),
                vectors: None,
                reading: &ReadOptions::default(),
                config: &config,
                replace: false,
                strict: false,
                commit_every: None,
            };
            build(&request, &models, &NoProgress, &mut |problem| {
                eprintln!("{problem}");
            })?;
        }
        let engine = Engine::open(&dir, &OpenOptions::default(), &models)?;
        let reads = arguments.cross.contains(&name) && !is_german;
        let mut profile = config.profiles["default"].clone();
        profile.depths = profile.depths.with(StageName::CROSS, CROSS_DEPTH);
        let three = [StageName::BM25, StageName::DENSE, StageName::LATE];
        let request = TuneRequest {
            stages: (!reads && !is_german).then_some(&three[..]),
            cache: true,
            ..request(&profile, Prior::None)?
        };
        let topics = topics(&engine, &data)?;
        let (pools, pipeline) = gather_pools(&engine, &request, &topics, &NoProgress)?;
        Ok(Collection {
            name,
            stages: pipeline.stages().to_vec(),
            pools,
        })
    }
}

/// Writes a part of a collection.
fn cut(whole: &Path, part: &Path, arguments: &Arguments) -> Result<()> {
    let splits = ["test.tsv", "dev.tsv"].map(|name| whole.join("qrels").join(name));
    let qrels = splits.iter().find(|path| path.exists());
    let qrels = qrels.ok_or("a collection has neither qrels/test.tsv nor qrels/dev.tsv")?;
    let text = fs::read_to_string(qrels)?;
    let (head, lines) = text.split_once('\n').ok_or("the judgments are empty")?;
    let judged = |line: &str| -> Option<(String, String, i32)> {
        let mut cells = line.split('\t');
        let mut next = || cells.next();
        Some((next()?.into(), next()?.into(), next()?.trim().parse().ok()?))
    };
    let judgments: Vec<(String, String, i32)> = lines.lines().filter_map(judged).collect();
    let (mut queries, mut seen) = (Vec::new(), HashSet::new());
    let answered: HashSet<&str> = (judgments.iter().filter(|(_, _, grade)| *grade > 0))
        .map(|(query, _, _)| query.as_str())
        .collect();
    for (query, _, _) in &judgments {
        if answered.contains(query.as_str()) && seen.insert(query) {
            queries.push(query.clone());
        }
    }
    let taken: HashSet<String> = spaced(&queries, arguments.queries).into_iter().collect();
    let needed: HashSet<&str> = (judgments
        .iter()
        .filter(|(query, _, _)| taken.contains(query)))
    .map(|(_, document, _)| document.as_str())
    .collect();

    let mut documents = Vec::new();
    for document in read_documents(whole, &ReadOptions::default())? {
        match document? {
            Record::Document { document, .. } => documents.push(document),
            Record::Problem(problem) => eprintln!("{problem}"),
        }
    }
    let is_needed = |at: &usize| needed.contains(documents[*at].id.as_str());
    let (mut kept, others): (Vec<usize>, Vec<usize>) = (0..documents.len()).partition(is_needed);
    let n_others = arguments.documents.saturating_sub(kept.len());
    kept.extend(spaced(&others, n_others));
    kept.sort_unstable();
    let mut corpus = String::new();
    for document in kept.into_iter().map(|at| &documents[at]) {
        let words: Vec<&str> = document.text.split_whitespace().collect();
        let text = words[..words.len().min(arguments.words)].join(" ");
        let line = serde_json::json!({"_id": document.id, "title": document.title, "text": text});
        writeln!(corpus, "{line}")?;
    }
    let is_taken = |line: &&str| judged(line).is_some_and(|(query, _, _)| taken.contains(&query));
    let mut judgments = format!("{head}\n");
    for line in lines.lines().filter(is_taken) {
        writeln!(judgments, "{line}")?;
    }
    let mut asked = String::new();
    for line in fs::read_to_string(whole.join("queries.jsonl"))?.lines() {
        let query: Value = serde_json::from_str(line)?;
        if query["_id"].as_str().is_some_and(|id| taken.contains(id)) {
            writeln!(asked, "{line}")?;
        }
    }
    fs::create_dir_all(part.join("qrels"))?;
    let name = qrels.file_name().ok_or("the judgments have no name")?;
    fs::write(part.join("qrels").join(name), judgments)?;
    fs::write(part.join("queries.jsonl"), asked)?;
    Ok(fs::write(part.join("corpus.jsonl"), corpus)?)
}

fn topics(engine: &Engine, data: &Path) -> Result<Topics> {
    let complain = |problem: &dyn std::fmt::Display| eprintln!("{problem}");
    let queries = data.join("queries.jsonl");
    let queries = read_queries(&queries, &QueryOptions::default(), &mut |problem| {
        complain(&problem);
    })?;
    let qrels = fs::read_dir(data.join("qrels"))?.next();
    let qrels = qrels.ok_or("there are no judgments")??.path();
    let judgments = read_judgments(&qrels, &JudgmentOptions::default(), &mut |problem| {
        complain(&problem);
    })?;
    Ok(Topics::new(engine, queries, judgments.qrels, None)?)
}
