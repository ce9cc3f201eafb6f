//! A corpus of real texts: how long its index takes, and how fast and how exactly it is searched.
//!
//! `cargo xtask bench corpus -- FILE [--preset english] [--lexical] [--queries 100] [--folder FOLDER]`
//! indexes the file with a preset without its cross-encoder and late interaction, with `--lexical`
//! also without its bi-encoder, and asks it for the titles of evenly spaced documents.
//! A folder that holds an index already is searched only.
//!
//! Measured:
//! - `text`: seconds to read, store and index the documents; `vectors`: to encode their passages and
//!   build the graph; `peak`: most memory of the build; `disk`: size of the index.
//! - `open`: from opening the index to the first hit, its files being in memory.
//! - `bm25 N`: median time of the stage for its N best documents.
//! - `ef N`: median time of the graph search for its ten best documents with this `ef_search`, the
//!   vectors of the queries being given, and the share of them that an exact scan finds;
//!   `recall@100`: of the hundred best, with `ef_search` 200.
//! - `rss`: memory of the process after all queries, the model not loaded.
//!
//! The index is built, queries are encoded and the index is searched by a process each, so that
//! memory is its own.
//!
//! Caveat: a title is found in its own document, and is easier to find than most queries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use treffer::StandardModels;
use treffer_corpus::{ReadOptions, Record, read_documents};
use treffer_engine::api::SearchRequest;
use treffer_engine::build::{BuildRequest, build};
use treffer_engine::config::{Base, Config};
use treffer_engine::models::{ModelSource, NoModels};
use treffer_engine::{Device, Engine, OpenOptions};
use treffer_types::{BoxError, NoProgress, Query, StageName};

use measure::{median, memory, millis};

#[path = "scale/measure.rs"]
mod measure;

type Result<T> = std::result::Result<T, BoxError>;

const DEPTHS: [usize; 3] = [100, 1000, 10_000];
const EFS: [usize; 3] = [50, 100, 200];

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

fn run() -> Result<()> {
    let (mut file, mut folder, mut job) = (None, None, None);
    let (mut preset, mut n_queries, mut is_lexical) = ("english".to_owned(), 100, false);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word.as_str() {
            "--preset" => preset = value()?,
            "--queries" => n_queries = value()?.parse()?,
            "--folder" => folder = Some(PathBuf::from(value()?)),
            "--job" => job = Some(value()?),
            "--lexical" => is_lexical = true,
            _ => file = Some(PathBuf::from(word)),
        }
    }
    let bench = Bench {
        file: file.ok_or("name a file of documents")?,
        folder: folder.unwrap_or_else(|| std::env::temp_dir().join("treffer-bench-corpus")),
        preset,
        n_queries,
        is_lexical,
    };
    match job.as_deref() {
        Some("build") => return bench.build(),
        Some("encode") => return bench.encode(),
        Some("search") => return bench.search(),
        Some(job) => return Err(format!("there is no job {job}").into()),
        None => {}
    }
    println!("| measured | value |\n|---|---:|");
    if !bench.index().join("manifest.json").exists() {
        bench.start("build")?;
    }
    if !is_lexical {
        bench.start("encode")?;
    }
    bench.start("search")
}

struct Bench {
    file: PathBuf,
    folder: PathBuf,
    preset: String,
    n_queries: usize,
    is_lexical: bool,
}

impl Bench {
    /// Runs a job in a process of its own, which prints its rows.
    fn start(&self, job: &str) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(&self.file).args(["--job", job]);
        command.args(["--preset", &self.preset]);
        command.args(["--queries", &self.n_queries.to_string()]);
        command.arg("--folder").arg(&self.folder);
        if self.is_lexical {
            command.arg("--lexical");
        }
        let status = command.status()?;
        if !status.success() {
            return Err(format!("the job {job} failed: {status}").into());
        }
        Ok(())
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn build(&self) -> Result<()> {
        let mut config = Config::load(Base::Preset(&self.preset), &[])?;
        config.cross = None;
        config.late = None;
        if self.is_lexical {
            config.dense = None;
        }
        let request = BuildRequest {
            dir: &self.index(),
            inputs: std::slice::from_ref(&self.file),
            vectors: None,
            reading: &ReadOptions::default(),
            config: &config,
            replace: true,
            strict: false,
            commit_every: None,
        };
        let models = StandardModels::from_default_cache()?;
        let report = build(&request, &models, &NoProgress, &mut |problem| {
            eprintln!("{problem}");
        })?;
        let step = |name| {
            let step = report.steps.iter().find(|(step, _)| *step == name);
            step.map_or(0.0, |(_, elapsed)| elapsed.as_secs_f64())
        };
        row("text", &format!("{:.1} s", step("read")));
        if !self.is_lexical {
            row("vectors", &format!("{:.1} s", step("encode")));
        }
        row("peak", &format!("{:.0} MB", memory("VmHWM")?));
        row("disk", &format!("{:.0} MB", report.bytes as f64 / 1e6));
        Ok(())
    }

    /// Titles of documents, from the first to the last in equal steps; those without are left out.
    fn titles(&self, n_docs: u32) -> Result<Vec<String>> {
        let step = (n_docs as usize).div_ceil(self.n_queries).max(1);
        let mut titles = Vec::new();
        let records = read_documents(&self.file, &ReadOptions::default())?;
        for (at, record) in records.enumerate() {
            if let Record::Document { document, .. } = record?
                && at.is_multiple_of(step)
                && !document.title.is_empty()
            {
                titles.push(document.title);
            }
        }
        if titles.is_empty() {
            return Err("none of the documents has a title".into());
        }
        Ok(titles)
    }

    /// Writes the vectors of all queries, one after the other.
    fn encode(&self) -> Result<()> {
        let engine = open(&self.index())?;
        let dense = engine.manifest().models.dense.as_ref();
        let name = &dense.ok_or("the index has no bi-encoder")?.spec.name;
        let models = StandardModels::from_default_cache()?;
        let embedder = models.embedder(name, Device::default())?;
        let mut bytes = Vec::new();
        for title in self.titles(engine.n_docs())? {
            for vector in embedder.embed_queries(&[&title])? {
                bytes.extend(vector.vector.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        Ok(fs::write(self.vectors(), bytes)?)
    }

    fn vectors(&self) -> PathBuf {
        self.folder.join("queries.f32")
    }

    fn search(&self) -> Result<()> {
        let dir = self.index();
        let titles = self.titles(open(&dir)?.n_docs())?;
        let text = |title: &String| SearchRequest::text(title);
        // Files are read once before, so that opening is that of an index in use.
        timed(&open(&dir)?, text(&titles[0]), StageName::BM25, &[])?;
        let start = Instant::now();
        let engine = open(&dir)?;
        timed(&engine, text(&titles[0]), StageName::BM25, &[])?;
        row("open", &format!("{:.1} ms", millis(start)));
        row("documents", &engine.n_docs().to_string());
        row("passages", &engine.n_passages().to_string());
        for depth in DEPTHS {
            let set = [format!("bm25_depth={depth}")];
            let times = titles.iter().map(|title| {
                let (ms, _) = timed(&engine, text(title), StageName::BM25, &set)?;
                Ok(ms)
            });
            let ms = median(times.collect::<Result<_>>()?);
            row(&format!("bm25 {depth}"), &format!("{ms:.2} ms"));
        }
        if !self.is_lexical {
            self.search_vectors(&engine, &titles)?;
        }
        row("rss", &format!("{:.0} MB", memory("VmRSS")?));
        Ok(())
    }

    fn search_vectors(&self, engine: &Engine, titles: &[String]) -> Result<()> {
        let bytes = fs::read(self.vectors())?;
        let numbers = bytes
            .chunks_exact(4)
            .filter_map(|four| four.try_into().ok());
        let numbers: Vec<f32> = numbers.map(f32::from_le_bytes).collect();
        let dimension = numbers.len() / titles.len();
        let (mut times, mut recall, mut of_hundred) = ([const { Vec::new() }; 3], [0.0; 3], 0.0);
        for (title, vector) in titles.iter().zip(numbers.chunks_exact(dimension)) {
            let request = || {
                let mut request = SearchRequest::text(title);
                request.query = Query {
                    vector: Some(vector.to_vec()),
                    ..request.query
                };
                request
            };
            let ask = |ef: usize, exact_below: u32, depth: usize| {
                let set = [
                    format!("ef_search={ef}"),
                    format!("exact_below={exact_below}"),
                    format!("dense_depth={depth}"),
                ];
                timed(engine, request(), StageName::DENSE, &set)
            };
            let (_, exact) = ask(100, 2_000_000_000, 100)?;
            let share = |found: &[String], k: usize| {
                let best = &exact[..exact.len().min(k)];
                let hits = best.iter().filter(|id| found.contains(id)).count();
                hits as f64 / best.len().max(1) as f64 / titles.len() as f64
            };
            ask(EFS[0], 0, 10)?; // reads what was not read before
            for (at, ef) in EFS.into_iter().enumerate() {
                let (ms, found) = ask(ef, 0, 10)?;
                times[at].push(ms);
                recall[at] += share(&found, 10);
            }
            let (_, found) = ask(200, 0, 100)?;
            of_hundred += share(&found, 100);
        }
        for ((ef, times), recall) in EFS.into_iter().zip(times).zip(recall) {
            let value = format!("{:.2} ms, {recall:.4}", median(times));
            row(&format!("ef {ef}"), &value);
        }
        row("recall@100", &format!("{of_hundred:.4}"));
        Ok(())
    }
}

fn row(name: &str, value: &str) {
    println!("| {name} | {value} |");
}

fn open(dir: &Path) -> Result<Engine> {
    Ok(Engine::open(dir, &OpenOptions::default(), &NoModels)?)
}

/// As [`measure::timed`], of this stage.
fn timed(
    engine: &Engine,
    mut request: SearchRequest,
    stage: StageName,
    set: &[String],
) -> Result<(f64, Vec<String>)> {
    request.options.stages = Some(vec![stage]);
    measure::timed(engine, request, set)
}
