//! How an index grows: generated documents of thirty words and a vector each, without a model.
//!
//! `cargo xtask bench scale -- [DOCUMENTS ...] [--storage f16] [--filters] [--folder FOLDER]` prints
//! a line for each number of documents (10,000, 100,000 and 1,000,000 unless they are named).
//! With `cargo xtask bench scale --peers -- ...`, the same texts and vectors are then indexed and
//! searched by tantivy's own collector, bm25s, hnswlib, faiss and usearch (xtask/peers/scale.py),
//! each in a process of its own, with the same `m` and `ef_construction`.
//!
//! Measured for each:
//! - `text/s`: documents a second while texts alone are read, stored and indexed in BM25.
//! - `read/s`: the same of records that hold a vector, as 3 KB of JSON.
//! - `graph`: seconds for the vectors and their graph; `peak`: most memory of the build.
//! - `disk`: size of the index; `open`: from opening it to the first hit, its files being in memory.
//! - `bm25 N`: median time of the stage for its N best documents, of 100 queries of three words.
//! - `ef 50`, `ef 100`, `ef 200`: median time of the graph search for its ten best of 50 queries with
//!   this `ef_search`, and the share of them that an exact scan finds; `recall@100`: of the hundred
//!   best, with 100.
//! - `rss`: memory of the process after all queries.
//! - `add`: seconds to add 1,000 documents, half of them in the place of others; `delete`: seconds
//!   to delete 1,000.
//!
//! With `--filters`, documents have two fields, and the ten best are also searched for under filters
//! (scale/filtered.rs) with the settings that a profile has by default; a second table has the time
//! of the graph search and its recall, then the time of the whole search, in which the filter is
//! read and evaluated too. hnswlib and faiss get the same filters as bitmaps, and the same
//! `ef_search`.
//!
//! Each number is built and searched by a process of its own, so that memory is its own.
//!
//! Caveats: words are drawn independently from a Zipf distribution over 200,000, so that no two are
//! alike; vectors are near one of some hundred centers, and queries near one as well. Real texts
//! have words that come together, and real vectors are less even.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use treffer_corpus::ReadOptions;
use treffer_engine::api::SearchRequest;
use treffer_engine::build::{
    AddRequest, BuildRequest, DeleteRequest, WriteReport, add, build, delete,
};
use treffer_engine::config::{Base, Config, DEFAULT_PROFILE};
use treffer_engine::models::NoModels;
use treffer_engine::{Engine, OpenOptions};
use treffer_types::{NoProgress, Query, StageName};

#[path = "scale/data.rs"]
mod data;
#[path = "scale/filtered.rs"]
mod filtered;
#[path = "scale/measure.rs"]
mod measure;
#[path = "scale/peers.rs"]
mod peers;

use data::{DIMENSION, Parts, number_of, write_corpus, write_vector};
use measure::{median, memory, millis, timed};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const EF_CONSTRUCTION: usize = 100;
const EFS: [usize; 3] = [50, 100, 200];
const DEPTHS: [usize; 3] = [100, 1000, 10_000];
/// Queries with a vector.
const QUERIES: u64 = 50;

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

fn run() -> Result<()> {
    let mut sizes: Vec<u64> = Vec::new();
    let (mut storage, mut folder, mut job) = ("f16".to_owned(), None, None);
    let (mut python, mut filters) = (None, false);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word.as_str() {
            "--storage" => storage = value()?,
            "--folder" => folder = Some(PathBuf::from(value()?)),
            "--filters" => filters = true,
            "--job" => job = Some(value()?),
            "--python" => python = Some(PathBuf::from(value()?)),
            _ => sizes.push(word.parse()?),
        }
    }
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("treffer-bench-scale"));
    if let (Some(job), [n]) = (job, sizes.as_slice()) {
        let place = Place {
            n: *n,
            folder: folder.join(n.to_string()),
            storage,
            filters,
        };
        println!("{}", place.run(&job)?);
        return Ok(());
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let mut rest = String::new();
    println!(
        "| documents | text/s | read/s | graph | peak | disk | open | bm25 100 | bm25 1,000 | bm25 10,000 | ef 50 | ef 100 | ef 200 | recall@100 | rss | add | delete |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for n in sizes {
        let mut line = format!("| {n} ");
        let place = folder.join(n.to_string());
        let run = |job: &str| {
            let mut this = Command::new(std::env::current_exe()?);
            this.args([&n.to_string(), "--job", job, "--storage", &storage]);
            this.args(filters.then_some("--filters"));
            peers::succeeded(this.arg("--folder").arg(&folder).output()?)
        };
        for job in ["text", "build", "search"] {
            write!(line, "{} ", run(job)?)?;
        }
        let mut under_filters = Vec::new();
        if filters {
            under_filters.push(("Treffer | whole search".to_owned(), run("filtered")?));
        }
        line.push_str(&run("change")?);
        println!("{line} |");
        if let Some(python) = &python {
            run("export")?;
            writeln!(rest, "\nPeers, as: build, peak, disk, three searches, rss")?;
            writeln!(rest, "\nThe same {n} texts, for {DEPTHS:?}:\n")?;
            writeln!(rest, "{}", run("tantivy")?)?;
            writeln!(rest, "{}", peers::run(python, "bm25s", &place)?)?;
            writeln!(rest, "\nThe same vectors, `ef` {EFS:?}:\n")?;
            for name in peers::DENSE {
                let printed = peers::run(python, name, &place)?;
                let (row, cells) = printed.split_once('\n').unwrap_or((&printed, ""));
                writeln!(rest, "{row}")?;
                if !cells.is_empty() {
                    under_filters.push((name.to_owned(), cells.to_owned()));
                }
            }
        }
        if !under_filters.is_empty() {
            writeln!(rest, "\nThe 10 best of {n} under filters:\n")?;
            writeln!(rest, "{}", filtered::table(&under_filters)?)?;
        }
        fs::remove_dir_all(place)?;
    }
    print!("{rest}");
    Ok(())
}

/// The settings that this changes.
fn preset() -> Result<Config> {
    Ok(Config::preset("german")?)
}

/// Where the index of one size is.
struct Place {
    n: u64,
    folder: PathBuf,
    storage: String,
    filters: bool,
}

impl Place {
    fn run(&self, job: &str) -> Result<String> {
        match job {
            "text" => self.text(),
            "build" => self.build(),
            "search" => self.search(),
            "filtered" => self.filtered(),
            "change" => self.change(),
            "export" => peers::export(self.n, &self.folder).map(|()| String::new()),
            "tantivy" => peers::tantivy(self.n, &self.folder),
            job => Err(format!("there is no job {job}").into()),
        }
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn config(&self) -> Result<Config> {
        let mut keys = vec![
            "bm25.analyzer=plain".to_owned(),
            "dense.model=none".to_owned(),
            "dense.vectors=vector".to_owned(),
            format!("dense.dimension={DIMENSION}"),
            format!("dense.storage={}", self.storage),
            format!("dense.ef_construction={EF_CONSTRUCTION}"),
        ];
        if self.filters {
            keys.extend(["r", "center"].map(|field| format!("fields.{field}=integer")));
        }
        let mut config = Config::load(Base::Preset("german"), &keys)?;
        config.passages = None;
        config.cross = None;
        Ok(config)
    }

    /// Writes records and builds an index of them.
    fn write(&self, name: &str, config: &Config, parts: Parts) -> Result<WriteReport> {
        fs::create_dir_all(&self.folder)?;
        let corpus = self.folder.join("corpus.jsonl");
        write_corpus(&corpus, self.n, 0..self.n, parts)?;
        let request = BuildRequest {
            dir: &self.folder.join(name),
            inputs: std::slice::from_ref(&corpus),
            vectors: None,
            reading: &ReadOptions::default(),
            config,
            replace: true,
            strict: true,
            commit_every: None,
        };
        let report = build(&request, &NoModels, &NoProgress, &mut |_| {})?;
        fs::remove_file(corpus)?;
        Ok(report)
    }

    fn text(&self) -> Result<String> {
        let config = Config {
            dense: None,
            ..self.config()?
        };
        let parts = Parts {
            vector: false,
            fields: self.filters,
        };
        let report = self.write("text", &config, parts)?;
        fs::remove_dir_all(self.folder.join("text"))?;
        Ok(format!("| {:.0} ", self.n as f64 / step(&report, "read")))
    }

    fn build(&self) -> Result<String> {
        let parts = Parts {
            vector: true,
            fields: self.filters,
        };
        let report = self.write("index", &self.config()?, parts)?;
        Ok(format!(
            "| {:.0} | {:.1} s | {:.0} MB | {:.0} MB ",
            self.n as f64 / step(&report, "read"),
            step(&report, "encode"),
            memory("VmHWM")?,
            report.bytes as f64 / 1e6,
        ))
    }

    fn search(&self) -> Result<String> {
        // Files are read once before, so that opening is that of an index in use.
        drop(self.open()?.search(&self.query(0, &[StageName::BM25]))?);
        let start = Instant::now();
        let engine = self.open()?;
        engine.search(&self.query(0, &[StageName::BM25]))?;
        let mut line = format!("| {:.1} ms ", millis(start));
        for depth in DEPTHS {
            let set = [format!("bm25_depth={depth}")];
            let times = (0..100).map(|nth| {
                let (ms, _) = timed(&engine, self.query(nth, &[StageName::BM25]), &set)?;
                Ok(ms)
            });
            write!(line, "| {:.2} ms ", median(times.collect::<Result<_>>()?))?;
        }
        let (mut times, mut recall) = ([const { Vec::new() }; 3], [0.0; 3]);
        let mut of_hundred = 0.0;
        let mut best_of_all = BufWriter::new(File::create(self.folder.join("exact.u32"))?);
        let mut queries = BufWriter::new(File::create(self.folder.join("queries.f32"))?);
        let mut texts = BufWriter::new(File::create(self.folder.join("queries.txt"))?);
        for nth in 0..100 {
            writeln!(texts, "{}", self.query(nth, &[]).query.text)?;
        }
        for nth in 0..QUERIES {
            let query = || self.query(nth, &[StageName::DENSE]);
            write_vector(
                &mut queries,
                query().query.vector.as_deref().unwrap_or_default(),
            )?;
            let set = |ef, exact_below: usize, depth| {
                [
                    format!("ef_search={ef}"),
                    format!("exact_below={exact_below}"),
                    format!("dense_depth={depth}"),
                ]
            };
            let (_, exact) = timed(&engine, query(), &set(100, 2_000_000_000, 100))?;
            for id in &exact {
                best_of_all.write_all(&number_of(id)?.to_le_bytes())?;
            }
            let share = |found: &[String], k: usize| {
                let hits = exact.iter().take(k).filter(|id| found.contains(id));
                hits.count() as f64 / k as f64 / QUERIES as f64
            };
            timed(&engine, query(), &set(EFS[0], 0, 10))?; // reads what was not read before
            for (at, ef) in EFS.into_iter().enumerate() {
                let (ms, found) = timed(&engine, query(), &set(ef, 0, 10))?;
                times[at].push(ms);
                recall[at] += share(&found, 10);
            }
            let (_, found) = timed(&engine, query(), &set(100, 0, 100))?;
            of_hundred += share(&found, 100);
        }
        best_of_all.flush()?;
        queries.flush()?;
        texts.flush()?;
        for (times, recall) in times.into_iter().zip(recall) {
            write!(line, "| {:.2} ms, {recall:.4} ", median(times))?;
        }
        write!(line, "| {of_hundred:.4} | {:.0} MB ", memory("VmRSS")?)?;
        Ok(line)
    }

    /// With the settings that a profile has by default.
    fn filtered(&self) -> Result<String> {
        let config = self.config()?;
        let profile = config.profiles.get(DEFAULT_PROFILE);
        let ef_search = profile.ok_or("the preset has no profile")?.ef_search;
        let query = |nth| self.query(nth, &[StageName::DENSE]);
        filtered::search(self.n, &self.folder, &self.open()?, ef_search, query)
    }

    fn change(&self) -> Result<String> {
        let more = self.folder.join("more.jsonl");
        let from = self.n.saturating_sub(500);
        let parts = Parts {
            vector: true,
            fields: self.filters,
        };
        write_corpus(&more, self.n, from..from + 1000, parts)?;
        let start = Instant::now();
        let request = AddRequest {
            dir: &self.index(),
            inputs: &[more],
            vectors: None,
            reading: &ReadOptions::default(),
            strict: true,
            commit_every: None,
            device: None,
            merges: true,
        };
        add(&request, &NoModels, &NoProgress, &mut |_| {})?;
        let added = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let ids: Vec<String> = (0..1000).map(|n| format!("d{n}")).collect();
        let request = DeleteRequest {
            dir: &self.index(),
            ids: &ids,
            filter: None,
            merges: true,
        };
        delete(&request, &NoProgress)?;
        let deleted = start.elapsed().as_secs_f64();
        Ok(format!("| {added:.2} s | {deleted:.2} s "))
    }

    fn open(&self) -> Result<Engine> {
        Ok(Engine::open(
            &self.index(),
            &OpenOptions::default(),
            &NoModels,
        )?)
    }

    /// Three words, each of at least one document in a hundred, and a vector near a center.
    fn query(&self, nth: u64, stages: &[StageName]) -> SearchRequest {
        let (text, vector) = data::query(self.n, nth);
        let mut request = SearchRequest::text(text);
        request.query = Query {
            vector: Some(vector),
            ..request.query
        };
        request.options.stages = Some(stages.to_vec());
        request
    }
}

/// Seconds of a step of a build.
fn step(report: &WriteReport, name: &str) -> f64 {
    let step = report.steps.iter().find(|(step, _)| *step == name);
    step.map_or(0.0, |(_, elapsed)| elapsed.as_secs_f64())
}
