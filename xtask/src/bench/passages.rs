//! `cargo xtask bench passages`: whole articles, cut to what a model reads or split into passages.
//!
//! The chunks of covidqa-chunks are joined to the 98 articles that they were cut from, so that an
//! article is relevant for a question if one of its chunks is. The same articles are indexed
//! without and with `[passages]`; rankings are compared by paired tests, and for each question the
//! passages of the first ten articles are ranked by the bi-encoder, to see whether one of the first
//! ten holds text of the chunk with the answer.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;

use super::write;
use crate::texts::{Record, records};
use crate::workspace::{Workspace, output, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder that holds covidqa-chunks
    #[arg(long, env = "TREFFER_COLLECTIONS")]
    collections: PathBuf,
    /// Ask only every Nth question
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Use the indexes of an earlier run
    #[arg(long)]
    keep_indexes: bool,
}

/// Name, and what is set on top of the english preset; `None` leaves `[passages]` out.
const INDEXES: [(&str, Option<&[&str]>); 4] = [
    ("cut at 512 tokens", None),
    (
        "passages of 500",
        Some(&["passages.tokens=500", "passages.overlap=64"]),
    ),
    ("passages of 256", Some(&[])),
    (
        "passages of 128",
        Some(&["passages.tokens=128", "passages.overlap=16"]),
    ),
];

/// Passages that are looked at for the answer.
const FIRST: usize = 10;

/// Builds the indexes, measures and prints the tables.
pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let bench = Bench {
        binary: workspace.build_program()?,
        scratch: workspace.target.join("bench-passages"),
        articles: Articles::read(
            &arguments.collections.join("covidqa-chunks"),
            arguments.every,
        )?,
    };
    bench.write_inputs()?;
    let mut table = String::from(
        "| index | passages | BM25 | dense | BM25 + dense | answer in the first ten passages |\n\
         |---|---|---|---|---|---|\n",
    );
    for (name, set) in INDEXES {
        let index = bench.index(workspace, name, set, arguments.keep_indexes)?;
        let values = bench.evaluate(&index)?;
        let found = match set {
            None => "-".to_owned(), // an article is one passage
            Some(_) => format!("{:.4}", bench.passage_recall(&index)?),
        };
        writeln!(
            table,
            "| {name} | {} | {:.4} | {:.4} | {:.4} | {found} |",
            index.n_passages()?,
            values[0],
            values[1],
            values[2]
        )?;
    }
    let n = bench.articles.questions.len();
    println!(
        "nDCG@10 of articles on {n} questions, english preset without cross-encoder\n\n{table}"
    );
    for row in ["bm25", "dense", "hybrid"] {
        print!("\n{row}\n{}", bench.compare(row)?);
    }
    Ok(())
}

struct Bench {
    binary: PathBuf,
    scratch: PathBuf,
    articles: Articles,
}

/// An index that was built, and where its runs are.
struct Index {
    dir: PathBuf,
    runs: PathBuf,
}

impl Index {
    fn n_passages(&self) -> Result<u64> {
        let manifest = fs::read_to_string(self.dir.join("manifest.json"))?;
        let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
        let segments = manifest["manifest"]["segments"].as_array();
        let passages = segments.into_iter().flatten();
        Ok(passages.filter_map(|one| one["passages"].as_u64()).sum())
    }
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    fn treffer(&self) -> Command {
        Command::new(&self.binary)
    }

    fn write_inputs(&self) -> Result<()> {
        let Articles {
            articles,
            questions,
            ..
        } = &self.articles;
        let lines = articles.iter().map(|(id, title, text)| {
            json!({"_id": id, "title": title, "text": text}).to_string() + "\n"
        });
        write(
            &self.path("corpus.jsonl"),
            lines.collect::<String>().as_bytes(),
        )?;
        let lines = questions
            .iter()
            .map(|question| json!({"_id": question.id, "text": question.text}).to_string() + "\n");
        write(
            &self.path("queries.jsonl"),
            lines.collect::<String>().as_bytes(),
        )?;
        let mut qrels = String::from("query-id\tcorpus-id\tscore\n");
        for question in questions {
            writeln!(qrels, "{}\t{}\t1", question.id, question.answer.article)?;
        }
        write(&self.path("qrels.tsv"), qrels.as_bytes())
    }

    fn index(
        &self,
        workspace: &Workspace,
        name: &str,
        set: Option<&[&str]>,
        keep: bool,
    ) -> Result<Index> {
        let place = name.replace(' ', "-");
        let index = Index {
            dir: self.path(&place),
            runs: self.path(&format!("{place}-runs")),
        };
        if keep && index.dir.join("manifest.json").exists() {
            return Ok(index);
        }
        let preset = fs::read_to_string(workspace.root.join("configs/english.toml"))?;
        let mut config: toml::Table = preset.parse()?;
        config.remove("cross");
        if set.is_none() {
            config.remove("passages");
        }
        let config_file = self.path(&format!("{place}.toml"));
        write(&config_file, toml::to_string(&config)?.as_bytes())?;
        let mut command = self.treffer();
        command
            .arg("index")
            .arg(&index.dir)
            .arg(self.path("corpus.jsonl"));
        command.arg("--config").arg(config_file).arg("--replace");
        for key in set.unwrap_or_default() {
            command.args(["--set", key]);
        }
        run_command(&mut command)?;
        Ok(index)
    }

    /// nDCG@10 of BM25, the bi-encoder and both with equal weights.
    fn evaluate(&self, index: &Index) -> Result<[f64; 3]> {
        let mut command = self.treffer();
        command.arg("eval").arg(&index.dir);
        command.arg("--queries").arg(self.path("queries.jsonl"));
        command.arg("--qrels").arg(self.path("qrels.tsv"));
        command.args([
            "--weights",
            "bm25=0.5,dense=0.5,cross=0",
            "--format",
            "json",
        ]);
        command.arg("--run-dir").arg(&index.runs);
        let measured: serde_json::Value = serde_json::from_str(&output(&mut command)?)?;
        let value = |name: &str| {
            let rows = measured["rows"].as_array().into_iter().flatten();
            let mut rows = rows.filter(|row| row["name"] == name);
            let row = rows.next();
            row.and_then(|row| row["metrics"]["nDCG@10"].as_f64())
                .with_context(|| format!("eval printed no row `{name}`: {measured}"))
        };
        Ok([value("bm25")?, value("dense")?, value("hybrid")?])
    }

    /// The share of questions of which one of the first passages holds text of the answer's chunk.
    fn passage_recall(&self, index: &Index) -> Result<f64> {
        let mut command = self.treffer();
        command.arg("search").arg(&index.dir);
        command.arg("--queries").arg(self.path("queries.jsonl"));
        command.args([
            "--weights",
            "bm25=0.5,dense=0.5,cross=0",
            "--format",
            "json",
        ]);
        command.args(["--explain", "--passages", "1000"]);
        let responses = output(&mut command)?;
        let by_id: HashMap<&str, &Answer> = self
            .articles
            .questions
            .iter()
            .map(|question| (question.id.as_str(), &question.answer))
            .collect();
        let (mut n, mut n_found) = (0_u32, 0_u32);
        for line in responses.lines() {
            let response: Response = serde_json::from_str(line)?;
            let Some(answer) = by_id.get(response.query.id.as_str()) else {
                continue;
            };
            n += 1;
            n_found += u32::from(response.has_answer(answer));
        }
        Ok(f64::from(n_found) / f64::from(n.max(1)))
    }

    /// The runs of a row of every index beside those of the first.
    fn compare(&self, row: &str) -> Result<String> {
        let runs = INDEXES.map(|(name, _)| format!("{}-runs/{row}.trec", name.replace(' ', "-")));
        let mut command = self.treffer();
        command.current_dir(&self.scratch); // so that the runs have short names
        command.args(["compare", "--qrels", "qrels.tsv"]);
        output(command.args(&runs))
    }
}

/// What a search prints, as far as it is needed.
#[derive(Deserialize)]
struct Response {
    query: Named,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Hit {
    id: String,
    passages: Vec<Passage>,
}

#[derive(Deserialize)]
struct Passage {
    place: (usize, usize),
    scores: HashMap<String, f64>,
}

impl Response {
    /// Whether one of the first passages, by the bi-encoder, holds text of the answer.
    fn has_answer(&self, answer: &Answer) -> bool {
        let of_hit = |hit: &'_ Hit| {
            let is_right = hit.id == answer.article;
            let (start, end) = answer.place;
            let passages = hit.passages.iter();
            let scored = passages.map(move |passage| {
                let score = passage.scores.get("dense").copied().unwrap_or(f64::MIN);
                let is_in = passage.place.0 < end && passage.place.1 > start;
                (score, is_right && is_in)
            });
            scored.collect::<Vec<_>>()
        };
        let mut all: Vec<(f64, bool)> = self.hits.iter().flat_map(of_hit).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.iter().take(FIRST).any(|(_, holds_it)| *holds_it)
    }
}

/// The articles, and the questions that are asked.
struct Articles {
    /// Id, title and text of each.
    articles: Vec<(String, String, String)>,
    questions: Vec<Question>,
}

struct Question {
    id: String,
    text: String,
    answer: Answer,
}

#[derive(Clone)]
struct Answer {
    article: String,
    /// The bytes of its chunk within the article.
    place: (usize, usize),
}

impl Articles {
    fn read(collection: &Path, every: u64) -> Result<Self> {
        let mut articles: Vec<(String, String, String)> = Vec::new();
        let mut chunks = HashMap::new();
        // Chunks of an article follow one another, in order.
        for Record { id, title, text } in records(&collection.join("corpus.jsonl"))? {
            let article = id
                .rsplit_once('-')
                .map_or(id.as_str(), |(article, _)| article);
            if articles.last().is_none_or(|(last, _, _)| last != article) {
                articles.push((article.to_owned(), title, String::new()));
            }
            let (article, _, whole) = articles.last_mut().context("no article was begun")?;
            if !whole.is_empty() {
                whole.push(' ');
            }
            let start = whole.len();
            whole.push_str(&text);
            let place = (start, whole.len());
            let article = article.clone();
            chunks.insert(id, Answer { article, place });
        }
        let path = collection.join("qrels/test.tsv");
        let qrels = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let answers: HashMap<&str, &Answer> = qrels
            .lines()
            .skip(1)
            .filter_map(|line| {
                let mut fields = line.split('\t');
                Some((fields.next()?, chunks.get(fields.next()?)?))
            })
            .collect();
        let questions = records(&collection.join("queries.jsonl"))?.into_iter();
        let questions = questions
            .step_by(usize::try_from(every)?)
            .filter_map(|record| {
                let answer = (*answers.get(record.id.as_str())?).clone();
                let Record { id, text, .. } = record;
                Some(Question { id, text, answer })
            });
        Ok(Articles {
            articles,
            questions: questions.collect(),
        })
    }
}
