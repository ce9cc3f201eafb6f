//! How an index grows: generated documents of thirty words and a vector each, without a model.
//!
//! `cargo xtask bench scale -- [DOCUMENTS ...] [--storage f16] [--folder FOLDER]` prints a line for
//! each number of documents (10,000, 100,000 and 1,000,000 unless they are named).
//! With `cargo xtask bench scale --peers -- ...`, the same texts and vectors are then indexed and
//! searched by tantivy's own collector, bm25s, hnswlib, faiss and usearch (xtask/peers/scale.py),
//! each in a process of its own, with the same `m` and `ef_construction`.
//!
//! Measured for each:
//! - `text`: documents a second while they are read, stored and indexed in BM25.
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
//! Each number is built and searched by a process of its own, so that memory is its own.
//!
//! Caveats: words are drawn independently from a Zipf distribution over 200,000, so that no two are
//! alike; vectors are near one of some hundred centers, and queries near one as well. Real texts
//! have words that come together, and real vectors are less even.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use treffer_corpus::ReadOptions;
use treffer_engine::api::SearchRequest;
use treffer_engine::build::{AddRequest, BuildRequest, DeleteRequest, add, build, delete};
use treffer_engine::config::{Base, Config};
use treffer_engine::models::NoModels;
use treffer_engine::{Engine, OpenOptions};
use treffer_testkit::Random;
use treffer_types::{NoProgress, Query, StageName};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const DIMENSION: usize = 384;
const WORDS: usize = 200_000;
const WORDS_OF_DOCUMENT: usize = 30;
/// Documents that share the center of their vectors.
const OF_CENTER: u64 = 400;
const EF_CONSTRUCTION: usize = 100;
const EFS: [usize; 3] = [50, 100, 200];
const DEPTHS: [usize; 3] = [100, 1000, 10_000];
const DENSE_PEERS: [&str; 3] = ["hnswlib", "faiss", "usearch"];

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

fn run() -> Result<()> {
    let mut sizes: Vec<u64> = Vec::new();
    let (mut storage, mut folder, mut job) = ("f16".to_owned(), None, None);
    let mut python = None;
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word.as_str() {
            "--storage" => storage = value()?,
            "--folder" => folder = Some(PathBuf::from(value()?)),
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
        };
        let line = match job.as_str() {
            "build" => place.build()?,
            "search" => place.search()?,
            "change" => place.change()?,
            "export" => place.export()?,
            "tantivy" => place.tantivy()?,
            job => return Err(format!("there is no job {job}").into()),
        };
        println!("{line}");
        return Ok(());
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let jobs = ["build", "search", "change"];
    let mut peers = String::new();
    println!(
        "| documents | text/s | graph | peak | disk | open | bm25 100 | bm25 1,000 | bm25 10,000 | ef 50 | ef 100 | ef 200 | recall@100 | rss | add | delete |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for n in sizes {
        let mut line = format!("| {n} ");
        let place = folder.join(n.to_string());
        let of_peers = python.iter().flat_map(|_| ["export", "tantivy"]);
        for job in jobs.into_iter().chain(of_peers) {
            let this = Command::new(std::env::current_exe()?)
                .args([&n.to_string(), "--job", job, "--storage", &storage])
                .arg("--folder")
                .arg(&folder)
                .output()?;
            let row = succeeded(this)?;
            match job {
                "tantivy" => write!(peers, "\nThe same {n} texts, for {DEPTHS:?}:\n\n{row}\n")?,
                _ => line.push_str(&row),
            }
        }
        println!("{line} |");
        if let Some(python) = &python {
            writeln!(peers, "{}", peer(python, "bm25s", &place)?)?;
            writeln!(peers, "\nThe same vectors, `ef` {EFS:?}:\n")?;
            for name in DENSE_PEERS {
                writeln!(peers, "{}", peer(python, name, &place)?)?;
            }
        }
        fs::remove_dir_all(place)?;
    }
    if !peers.is_empty() {
        println!("\nPeers, as: build, peak, disk, three searches, rss\n{peers}");
    }
    Ok(())
}

/// The row of a peer.
fn peer(python: &Path, name: &str, place: &Path) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask/peers/scale.py");
    let dense = Config::preset("german")?.dense;
    let m = dense.ok_or("the preset has no graph")?.graph.m;
    let threads = std::thread::available_parallelism()?.get();
    let command = Command::new(python)
        .args(["-I", "-W", "ignore"])
        .arg(script)
        .arg(name)
        .arg(place)
        .args([DIMENSION, m, EF_CONSTRUCTION, threads].map(|number| number.to_string()))
        .output()?;
    succeeded(command)
}

/// What a process printed.
fn succeeded(output: Output) -> Result<String> {
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// Where the index of one size is.
struct Place {
    n: u64,
    folder: PathBuf,
    storage: String,
}

impl Place {
    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn config(&self) -> Result<Config> {
        let keys = [
            "bm25.analyzer=plain".to_owned(),
            "dense.model=none".to_owned(),
            "dense.vectors=vector".to_owned(),
            format!("dense.dimension={DIMENSION}"),
            format!("dense.storage={}", self.storage),
            format!("dense.ef_construction={EF_CONSTRUCTION}"),
        ];
        let mut config = Config::load(Base::Preset("german"), &keys)?;
        config.passages = None;
        config.cross = None;
        Ok(config)
    }

    fn build(&self) -> Result<String> {
        fs::create_dir_all(&self.folder)?;
        let corpus = self.folder.join("corpus.jsonl");
        write_corpus(&corpus, self.n, 0..self.n)?;
        let request = BuildRequest {
            dir: &self.index(),
            inputs: std::slice::from_ref(&corpus),
            vectors: None,
            reading: &ReadOptions::default(),
            config: &self.config()?,
            replace: true,
            strict: true,
            commit_every: None,
        };
        let report = build(&request, &NoModels, &NoProgress, &mut |_| {})?;
        fs::remove_file(corpus)?;
        let step = |name| {
            let step = report.steps.iter().find(|(step, _)| *step == name);
            step.map_or(0.0, |(_, elapsed)| elapsed.as_secs_f64())
        };
        Ok(format!(
            "| {:.0} | {:.1} s | {:.0} MB | {:.0} MB ",
            self.n as f64 / step("read"),
            step("encode"),
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
        let n = 50;
        for nth in 0..n {
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
                let number: u32 = id.trim_start_matches('d').parse()?;
                best_of_all.write_all(&number.to_le_bytes())?;
            }
            let share = |found: &[String], k: usize| {
                let hits = exact.iter().take(k).filter(|id| found.contains(id));
                hits.count() as f64 / k as f64 / n as f64
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

    /// Writes what the peers read: texts and vectors of all documents.
    fn export(&self) -> Result<String> {
        let create = |name| File::create(self.folder.join(name)).map(BufWriter::new);
        let (mut texts, mut vectors) = (create("texts.txt")?, create("vectors.f32")?);
        for number in 0..self.n {
            let (text, values) = document(self.n, number, 0);
            writeln!(texts, "{text}")?;
            write_vector(&mut vectors, &values)?;
        }
        texts.flush()?;
        vectors.flush()?;
        Ok(String::new())
    }

    /// What tantivy does with the same texts by itself.
    fn tantivy(&self) -> Result<String> {
        let dir = self.folder.join("tantivy");
        fs::create_dir_all(&dir)?;
        let start = Instant::now();
        let mut schema = tantivy::schema::Schema::builder();
        let text = schema.add_text_field("text", tantivy::schema::TEXT);
        let index = tantivy::Index::create_in_dir(&dir, schema.build())?;
        let mut writer = index.writer(500_000_000)?;
        for line in BufReader::new(File::open(self.folder.join("texts.txt"))?).lines() {
            writer.add_document(tantivy::doc!(text => line?))?;
        }
        writer.commit()?;
        let segments = index.searchable_segment_ids()?;
        writer.merge(&segments).wait()?;
        writer.wait_merging_threads()?;
        let built = start.elapsed().as_secs_f64();
        let searcher = index.reader()?.searcher();
        let parser = tantivy::query::QueryParser::for_index(&index, vec![text]);
        let mut line = format!("| tantivy | {built:.1} s | {:.0} MB ", memory("VmHWM")?);
        let files = fs::read_dir(&dir)?.map(|file| Ok(file?.metadata()?.len()));
        let bytes = files.sum::<std::io::Result<u64>>()?;
        write!(line, "| {:.0} MB ", bytes as f64 / 1e6)?;
        for depth in DEPTHS {
            let times = (0..100).map(|nth| {
                let query = parser.parse_query(&self.query(nth, &[]).query.text)?;
                let best = tantivy::collector::TopDocs::with_limit(depth).order_by_score();
                let start = Instant::now();
                searcher.search(&query, &best)?;
                Ok(millis(start))
            });
            write!(line, "| {:.2} ms ", median(times.collect::<Result<_>>()?))?;
        }
        write!(line, "| {:.0} MB |", memory("VmRSS")?)?;
        Ok(line)
    }

    fn change(&self) -> Result<String> {
        let more = self.folder.join("more.jsonl");
        let from = self.n.saturating_sub(500);
        write_corpus(&more, self.n, from..from + 1000)?;
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
        let mut random = Random::new(7_000_000 + nth);
        let words: Vec<String> = (0..3)
            .map(|_| word(1 + random.below(300) as usize))
            .collect();
        let center = random.below(self.n.div_ceil(OF_CENTER));
        let mut request = SearchRequest::text(words.join(" "));
        request.query = Query {
            vector: Some(vector(center, &mut random)),
            ..request.query
        };
        request.options.stages = Some(stages.to_vec());
        request
    }
}

/// The time of the one stage of a search in milliseconds, and the ids of what it found.
fn timed(
    engine: &Engine,
    mut request: SearchRequest,
    set: &[String],
) -> Result<(f64, Vec<String>)> {
    request.options.set = set.to_vec();
    request.options.timings = true;
    request.options.top_k = 100;
    let response = engine.search(&request)?;
    let ms = response.stages.first().and_then(|stage| stage.ms);
    let ids = response.hits.into_iter().map(|hit| hit.id).collect();
    Ok((ms.unwrap_or_default(), ids))
}

/// Documents `d0`, `d1`, ...: those numbered below `n` have another text than later versions.
fn write_corpus(path: &Path, n: u64, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let version = u64::from(numbers.start > 0);
    for number in numbers {
        let (text, values) = document(n, number, version);
        let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
        writeln!(
            out,
            r#"{{"_id": "d{number}", "text": "{text}", "vector": [{}]}}"#,
            values.join(",")
        )?;
    }
    Ok(out.flush()?)
}

/// Text and vector of one of `n` documents.
fn document(n: u64, number: u64, version: u64) -> (String, Vec<f32>) {
    let mut random = Random::new(number + (version << 40));
    let words: Vec<String> = (0..WORDS_OF_DOCUMENT)
        .map(|_| word(zipf(&mut random)))
        .collect();
    let center = random.below(n.div_ceil(OF_CENTER));
    let values = vector(center, &mut random);
    (words.join(" "), values)
}

/// A vector, of length 1.
fn write_vector(out: &mut impl Write, values: &[f32]) -> Result<()> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    for value in values {
        out.write_all(&(value / norm).to_le_bytes())?;
    }
    Ok(())
}

/// A rank whose probability falls as one over the rank.
fn zipf(random: &mut Random) -> usize {
    let rank = (WORDS as f64).powf(random.unit());
    (rank as usize).min(WORDS) - 1
}

/// A word of letters for each rank.
fn word(mut rank: usize) -> String {
    let mut word = String::from("w");
    loop {
        word.push((b'a' + (rank % 26) as u8) as char);
        rank /= 26;
        if rank == 0 {
            return word;
        }
    }
}

/// A vector near the center of this number.
fn vector(center: u64, random: &mut Random) -> Vec<f32> {
    let mut of_center = Random::new(9_000_000_000 + center);
    (0..DIMENSION)
        .map(|_| (gauss(&mut of_center) + 0.7 * gauss(random)) as f32)
        .collect()
}

/// The sum of four uniform numbers, near enough to a normal one.
fn gauss(random: &mut Random) -> f64 {
    (0..4).map(|_| random.unit() - 0.5).sum::<f64>() * 1.73
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A line of the process's memory, in megabytes.
fn memory(line: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kb = found.and_then(|text| text.trim().strip_suffix("kB"));
    let kb: f64 = kb
        .ok_or("the system does not tell the memory of a process")?
        .trim()
        .parse()?;
    Ok(kb / 1000.0)
}
