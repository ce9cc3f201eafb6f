//! Times indexing and search of a million short documents, beside tantivy's own collector.
//!
//! ```text
//! cargo run --release -p treffer-bm25 --example million -- FOLDER [DOCUMENTS] [PARTS]
//! ```
//!
//! Documents have 30 words each from a vocabulary of 200,000, by Zipf's law, the same ones every
//! time. FOLDER keeps the indexes for the next run, and `texts.txt` and `queries.txt` for other
//! programs, a document or query on a line.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, Searcher, TantivyDocument, Term};
use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Part, Bm25Writer, Fields};
use treffer_types::DocId;

const VOCABULARY: usize = 200_000;
const WORDS: usize = 30;
const QUERIES: usize = 200;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("a folder is expected")?);
    let n_docs = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let n_parts = arguments.next().map_or(Ok(8), |n| n.parse())?;
    fs::create_dir_all(&dir)?;
    let config = Bm25Config {
        analyzer: Analyzer::Plain,
        fold_accents: None,
        negation: false,
        words: None,
        k1: 0.9,
        b: 0.4,
        fields: Fields::Concatenated,
    };
    let texts = texts(&dir, n_docs)?;
    let queries = queries(&dir)?;

    let one = build(&dir.join("one"), &config, &texts, 1)?;
    let several = build(
        &dir.join(format!("parts-{n_parts}")),
        &config,
        &texts,
        n_parts,
    )?;
    let tantivy = build_tantivy(&dir.join("tantivy"), &texts)?
        .reader()?
        .searcher();

    let one_dir = dir.join("one").join("0");
    let tenth_deleted = Bm25Index::open(
        &[Bm25Part {
            dir: &one_dir,
            first: 0,
            deleted: Some(Arc::new(some_rows(n_docs, 10, 3))),
        }],
        &config,
    )?;
    for (name, dir) in [("ours", &one_dir), ("tantivy", &dir.join("tantivy"))] {
        println!("{name}: {:.1} MB", size(dir)? as f64 / 1e6);
    }

    for (kind, queries) in &queries {
        for depth in [10, 100, 1000, 10_000] {
            let search = |name: &str, index: &Bm25Index| {
                time(&format!("{kind}, top {depth}, {name}"), queries, |query| {
                    Ok(index.search(query, depth, None)?.len())
                })
            };
            search("one part", &one)?;
            search(&format!("{n_parts} parts"), &several)?;
            search("a tenth deleted", &tenth_deleted)?;
            time(&format!("{kind}, top {depth}, tantivy"), queries, |query| {
                search_tantivy(&tantivy, query, depth)
            })?;
        }
        for one_in in [10, 100, 1000, 10_000] {
            let allowed = some_rows(n_docs, one_in, 4);
            let what = format!("{kind}, top 100, 1 in {one_in} allowed");
            time(&what, queries, |query| {
                Ok(one.search(query, 100, Some(&allowed))?.len())
            })?;
        }
        for query in queries {
            let hits = one.search(query, 1000, None)?;
            if hits != several.search(query, 1000, None)? {
                return Err(format!("`{query}` is ranked otherwise in parts").into());
            }
        }
    }
    Ok(())
}

/// About one of `one_in` rows.
fn some_rows(n: usize, one_in: u64, seed: u64) -> FixedBitSet {
    let mut random = Random(seed);
    let mut rows = FixedBitSet::with_capacity(n);
    for row in 0..n {
        rows.set(row, random.next().is_multiple_of(one_in));
    }
    rows
}

/// Bytes of the files of a folder.
fn size(dir: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// Prints the median and the slowest of all queries, of each the fastest of three runs: other
/// programs disturb some.
fn time(
    what: &str,
    queries: &[String],
    mut search: impl FnMut(&str) -> Outcome<usize>,
) -> Outcome<()> {
    let mut times = vec![f64::INFINITY; queries.len()];
    let mut n_found = 0;
    for _ in 0..3 {
        for (query, fastest) in queries.iter().zip(&mut times) {
            let start = Instant::now();
            n_found += search(query)?;
            *fastest = fastest.min(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let [median, p95, slowest] =
        [50, 95, 100].map(|percent| times[(times.len() * percent / 100).min(times.len() - 1)]);
    let mean = n_found / (3 * times.len());
    println!("{what}: median {median:.3} ms, p95 {p95:.3} ms, max {slowest:.3} ms ({mean} found)");
    Ok(())
}

/// Draws words by Zipf's law.
struct Zipf {
    cumulative: Vec<f64>,
    random: Random,
}

impl Zipf {
    fn new(seed: u64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=VOCABULARY).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Zipf {
            cumulative: cumulative.collect(),
            random: Random(seed),
        }
    }

    /// From 0 on, the commonest first.
    fn rank(&mut self) -> usize {
        let at = (self.random.next() >> 11) as f64 / (1u64 << 53) as f64
            * self.cumulative[VOCABULARY - 1];
        self.cumulative.partition_point(|&sum| sum <= at)
    }
}

/// Three syllables.
fn word(rank: usize) -> String {
    let syllable = |n: usize| {
        let (consonant, vowel) = (n / 5 % 20, n % 5);
        ["bcdfghjklmnpqrstvwxz", "aeiou"]
            .map(str::as_bytes)
            .iter()
            .zip([consonant, vowel])
            .map(|(letters, at)| char::from(letters[at]))
            .collect::<String>()
    };
    // The commonest words do not come first in the dictionary.
    let n = rank * 7919 % 1_000_000;
    [n / 10_000, n / 100 % 100, n % 100].map(syllable).concat()
}

fn texts(dir: &Path, n_docs: usize) -> Outcome<Vec<String>> {
    let path = dir.join("texts.txt");
    if path.exists() {
        let texts: Vec<String> = fs::read_to_string(&path)?
            .lines()
            .map(str::to_owned)
            .collect();
        if texts.len() == n_docs {
            return Ok(texts);
        }
    }
    let mut zipf = Zipf::new(1);
    let mut file = BufWriter::new(fs::File::create(&path)?);
    let mut texts = Vec::with_capacity(n_docs);
    for _ in 0..n_docs {
        let mut text = String::new();
        for _ in 0..WORDS {
            write!(text, "{} ", word(zipf.rank()))?;
        }
        writeln!(file, "{text}")?;
        texts.push(text);
    }
    file.flush()?;
    Ok(texts)
}

/// Queries of three words: as common as in texts, and without the hundred commonest.
fn queries(dir: &Path) -> Outcome<Vec<(&'static str, Vec<String>)>> {
    let mut all = Vec::new();
    let mut file = fs::File::create(dir.join("queries.txt"))?;
    for (kind, least) in [("any words", 0), ("rarer words", 100)] {
        let mut zipf = Zipf::new(2);
        let mut ranks = std::iter::from_fn(|| Some(zipf.rank())).filter(|&rank| rank >= least);
        let mut queries = Vec::new();
        for _ in 0..QUERIES {
            let words: Vec<String> = ranks.by_ref().take(3).map(word).collect();
            queries.push(words.join(" "));
            writeln!(file, "{}", words.join(" "))?;
        }
        all.push((kind, queries));
    }
    Ok(all)
}

fn build(dir: &Path, config: &Bm25Config, texts: &[String], n_parts: usize) -> Outcome<Bm25Index> {
    let size = texts.len().div_ceil(n_parts).max(1);
    let dirs: Vec<PathBuf> = (0..n_parts).map(|nth| dir.join(nth.to_string())).collect();
    let start = Instant::now();
    let mut n_built = 0;
    for (dir, texts) in dirs.iter().zip(texts.chunks(size)) {
        if dir.join("checksums").exists() {
            continue;
        }
        let mut writer = Bm25Writer::create(dir, config)?;
        for (row, text) in (0..).zip(texts) {
            // They are of no language: to find that out would take longer than all the rest.
            writer.add_in(None, DocId(row), "", text)?;
        }
        writer.finish()?;
        n_built += texts.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    if n_built > 0 {
        let speed = n_built as f64 / seconds;
        println!(
            "{}: built in {seconds:.1} s, {speed:.0} documents/s",
            dir.display()
        );
    }
    let parts: Vec<Bm25Part<'_>> = dirs
        .iter()
        .zip((0u32..).step_by(size))
        .map(|(dir, first)| Bm25Part {
            dir,
            first,
            deleted: None,
        })
        .collect();
    let start = Instant::now();
    let index = Bm25Index::open(&parts, config)?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    println!("{}: opened in {ms:.1} ms", dir.display());
    Ok(index)
}

fn build_tantivy(dir: &Path, texts: &[String]) -> Outcome<Index> {
    if dir.join("meta.json").exists() {
        return Ok(Index::open_in_dir(dir)?);
    }
    fs::create_dir_all(dir)?;
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_index_option(IndexRecordOption::WithFreqs);
    let field = schema.add_text_field(
        "body",
        TextOptions::default().set_indexing_options(indexing),
    );
    let start = Instant::now();
    let index = Index::create_in_dir(dir, schema.build())?;
    let mut writer = index.writer_with_num_threads::<TantivyDocument>(1, 512 << 20)?;
    for text in texts {
        let mut document = TantivyDocument::new();
        document.add_text(field, text);
        writer.add_document(document)?;
    }
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    if segments.len() > 1 {
        writer.merge(&segments).wait()?;
    }
    writer.wait_merging_threads()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("tantivy: built in {seconds:.1} s");
    Ok(index)
}

fn search_tantivy(searcher: &Searcher, query: &str, depth: usize) -> Outcome<usize> {
    let field = searcher.schema().get_field("body")?;
    let words = query.split(' ').map(|word| {
        let term = Term::from_field_text(field, word);
        let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
        (Occur::Should, query)
    });
    let query = BooleanQuery::new(words.collect());
    let top = TopDocs::with_limit(depth).order_by_score();
    Ok(searcher.search(&query, &top)?.len())
}
