//! `treffer mine`: training data from an index.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use treffer_api::SearchOptions;
use treffer_disk::Output;
use treffer_engine::manifest::Manifest;
use treffer_engine::mine::{
    MineReport, MineRequest, Mined, MinedPassage, Origin, Sought, Source, judged, mine, silver,
};
use treffer_engine::pipeline::Available;
use treffer_engine::self_retrieval::ExcludeSelf;
use treffer_engine::stages::Registry;
use treffer_engine::topics::Topics;
use treffer_engine::{Device, Engine, Error};
use treffer_report::text::{count, count_queries};
use treffer_types::StageName;

use crate::options::{Global, QrelsArgs, QueryArgs, ReadArgs, at_least_one};
use crate::output::check_target;
use crate::progress::Bars;
use crate::terminal::{note, say};
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of the output is a query with passages, as `treffer train` reads them: first those that
are relevant, then hard negatives, which stages rank highly although nobody judged them relevant,
then random ones. `from` says of each where it comes from: document, stage, rank and score.

What nobody judged is often relevant all the same. The window of ranks leaves out the first few;
--margin leaves out what scores nearly as high as what is relevant, in the same stage (0.05 is
usual), and --guard what the index's cross-encoder finds relevant.

Without --queries and --qrels, titles and headings are queries for the text below them. Such lines
are marked `silver`: nobody asked or judged them, and they teach to match topics, not to answer.

Examples:
  treffer mine my-index --queries queries.jsonl --qrels qrels/train.tsv --out train.jsonl
  What a cross-encoder teaches, from titles and headings alone:
    treffer mine my-index --limit 10000 --guard 0.5 --teacher --out silver.jsonl")]
pub(crate) struct Mine {
    /// Folder of the index
    dir: PathBuf,
    /// Queries: BEIR queries.jsonl, a table (id, text), TREC topics, or plain lines
    /// [default: titles and headings]
    #[arg(long, value_name = "FILE", requires = "qrels")]
    queries: Option<PathBuf>,
    /// Relevance judgments: BEIR TSV, TREC qrels or CSV, also .gz or .zst
    #[arg(long, value_name = "FILE", requires = "queries")]
    qrels: Option<PathBuf>,
    #[command(flatten)]
    query_args: QueryArgs,
    #[command(flatten)]
    qrels_args: QrelsArgs,
    #[command(flatten)]
    reading: ReadArgs,
    /// File for the training data, as JSON lines
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    replace: bool,
    /// One line for each query, or for each relevant passage
    #[arg(long, value_enum, default_value = "lists")]
    format: MineFormat,
    /// Stages whose ranks are looked through [default: all that retrieve]
    #[arg(long, value_delimiter = ',', value_name = "STAGE,...")]
    stages: Option<Vec<StageName>>,
    /// First rank of a stage that negatives are drawn from
    #[arg(long, default_value = "5", value_name = "RANK", value_parser = at_least_one())]
    from: usize,
    /// Last rank of a stage that negatives are drawn from
    #[arg(long, default_value = "60", value_name = "RANK", value_parser = at_least_one())]
    to: usize,
    /// A negative scores lower than the best relevant document in the same stage by this share,
    /// from 0 to 1 [default: whatever its score]
    #[arg(long, value_name = "SHARE")]
    margin: Option<f64>,
    /// What the index's cross-encoder gives this probability of relevance or more is no negative
    #[arg(long, value_name = "P")]
    guard: Option<f64>,
    /// Most relevant passages of a query, those of the highest grades [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    relevant: Option<usize>,
    /// Most hard negatives of a query, drawn at random from the window
    #[arg(long, default_value = "7", value_name = "N")]
    negatives: usize,
    /// Easy negatives of a query: documents that no stage found
    #[arg(long, default_value = "1", value_name = "N")]
    random: usize,
    /// Have the index's cross-encoder score each pair, for `treffer train` to learn from
    #[arg(long)]
    teacher: bool,
    /// Use this many queries at most [default: all; of titles and headings, 10000]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    limit: Option<usize>,
    /// Where random choices come from
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    device: Option<Device>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MineFormat {
    /// `query`, `passages` and `labels`
    Lists,
    /// `query`, `positive` and `negatives`
    Triplets,
}

/// Queries made of titles and headings if nothing is said.
const SILVER: usize = 10_000;

/// What is written, as messages name it.
const FILE: &str = "the training data";

/// Mines, writes what was found, and reports it.
pub(crate) fn run(command: &Mine, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    refuse_without_queries(command)?;
    check_target(&command.out, FILE)?;
    if !command.replace && command.out.is_file() {
        bail!(
            "{} exists already; pass --replace to overwrite it",
            command.out.display()
        );
    }
    let bars = Bars::cancellable()?;
    let stages = command.stages()?;
    let asks_cross = command.teacher || command.guard.is_some();
    let mut opened = stages.clone();
    opened.extend(asks_cross.then_some(StageName::CROSS));
    let engine = input::open_index(&command.dir, Some(opened), command.device, global, &bars)?;
    let profile = engine.profile(&SearchOptions::default())?;
    let request = MineRequest {
        profile: &profile,
        stages,
        ranks: command.from..=command.to,
        margin: command.margin,
        guard: command.guard,
        relevant: command.relevant,
        negatives: command.negatives,
        random: command.random,
        teacher: command.teacher,
        seed: command.seed,
    };
    let sought = command.sought(&engine, &bars)?;
    let failed = || format!("could not write {FILE} to {}", command.out.display());
    let mut output = Output::open(&command.out).with_context(failed)?;
    let report = mine(&engine, &request, &sought, &bars, &mut |mined| {
        write(&mut output, &mined, command.format).map_err(|source| Error::Io {
            action: "write",
            path: command.out.clone(),
            source,
        })
    })?;
    output.commit().with_context(failed)?;
    tell(&report, &command.out);
    Ok(if report.mined == 0 {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// How queries and judgments are read concerns only their files.
fn refuse_without_queries(command: &Mine) -> Result<()> {
    let (args, reading) = (&command.query_args, &command.reading);
    let flags = [
        ("--query-format", args.query_format.is_some()),
        ("--topic-fields", args.topic_fields.is_some()),
        ("--qrels-format", command.qrels_args.qrels_format.is_some()),
        ("--encoding", reading.encoding.is_some()),
        ("--problems", reading.problems.is_some()),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) if command.queries.is_none() => {
            bail!("{flag} needs --queries and --qrels: it is about their files")
        }
        _ => Ok(()),
    }
}

impl Mine {
    /// The named stages, or all of the index that retrieve.
    fn stages(&self) -> Result<Vec<StageName>> {
        if let Some(stages) = &self.stages {
            return Ok(stages.clone());
        }
        let manifest = Manifest::read(&self.dir)?;
        let available = Available::in_index(&manifest, Registry::standard());
        let retrieving = available
            .stages
            .iter()
            .filter(|stage| stage.capabilities.retrieves && stage.default_depth > 0);
        Ok(retrieving.map(|stage| stage.name).collect())
    }

    fn sought(&self, engine: &Engine, bars: &Bars) -> Result<Vec<Sought>> {
        let (Some(queries), Some(qrels)) = (&self.queries, &self.qrels) else {
            let sought = silver(engine, self.limit.unwrap_or(SILVER), self.seed, bars)?;
            if sought.is_empty() {
                bail!(
                    "no document of {} has a title or heading of two words or more over a text; pass --queries and --qrels",
                    self.dir.display()
                );
            }
            note(&format!(
                "{} from titles and headings, which nobody asked: marked as silver",
                count_queries(sought.len())
            ));
            return Ok(sought);
        };
        let mut inputs = input::Inputs::new(&self.reading)?.stopped_by(bars);
        let queries = inputs.queries(queries, &self.query_args)?;
        let qrels = inputs.qrels(qrels, &self.qrels_args)?;
        let mut topics = Topics::new(engine, queries, qrels, self.limit)?;
        input::note_mismatches(&topics);
        let which = ExcludeSelf::SameText;
        input::exclude_self(engine, &mut topics.queries, which, &topics.qrels)?;
        inputs.finish()?;
        Ok(judged(engine, &topics)?)
    }
}

/// A line of either form.
#[derive(Serialize)]
struct Line<'a> {
    query_id: &'a str,
    query: &'a str,
    #[serde(flatten)]
    texts: Texts<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silver: Option<&'static str>,
    from: Vec<Provenance<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Texts<'a> {
    List {
        passages: Vec<&'a str>,
        labels: Vec<i32>,
    },
    Triplet {
        positive: &'a str,
        negatives: Vec<&'a str>,
    },
}

/// Where a passage comes from.
#[derive(Serialize)]
struct Provenance<'a> {
    doc: &'a str,
    stage: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

impl<'a> Provenance<'a> {
    fn of(passage: &'a MinedPassage, origin: Origin) -> Self {
        let (stage, rank, score) = match &passage.source {
            Source::Answer => (origin.as_str(), None, None),
            Source::Stage { stage, rank, score } => (stage.as_str(), Some(*rank), Some(*score)),
            Source::Random => ("random", None, None),
        };
        Provenance {
            doc: &passage.doc,
            stage,
            rank,
            score,
        }
    }
}

fn write(out: &mut dyn Write, mined: &Mined, format: MineFormat) -> std::io::Result<()> {
    let all: Vec<&MinedPassage> = mined.passages.iter().collect();
    if format == MineFormat::Lists {
        let texts = Texts::List {
            passages: all.iter().map(|one| one.text.as_str()).collect(),
            labels: all.iter().map(|one| one.grade).collect(),
        };
        return write_line(out, mined, &all, texts);
    }
    let (answers, negatives): (Vec<&MinedPassage>, Vec<_>) =
        all.into_iter().partition(|one| one.grade > 0);
    for answer in answers {
        let texts = Texts::Triplet {
            positive: &answer.text,
            negatives: negatives.iter().map(|one| one.text.as_str()).collect(),
        };
        let of_line: Vec<&MinedPassage> = std::iter::once(answer)
            .chain(negatives.iter().copied())
            .collect();
        write_line(out, mined, &of_line, texts)?;
    }
    Ok(())
}

fn write_line(
    out: &mut dyn Write,
    mined: &Mined,
    passages: &[&MinedPassage],
    texts: Texts<'_>,
) -> std::io::Result<()> {
    let origin = mined.origin;
    let line = Line {
        query_id: &mined.query_id,
        query: &mined.query,
        texts,
        // The guard reads some passages; scores of a line are of all or none.
        scores: passages.iter().map(|one| one.cross).collect(),
        silver: origin.is_silver().then(|| origin.as_str()),
        from: passages
            .iter()
            .map(|one| Provenance::of(one, origin))
            .collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn tell(report: &MineReport, path: &Path) {
    let hard: usize = report.hard.values().sum();
    let by_stage: Vec<String> = report
        .hard
        .iter()
        .map(|(stage, n)| format!("{n} of {stage}"))
        .collect();
    let by_stage = match by_stage.as_slice() {
        [] => String::new(),
        all => format!(" ({})", all.join(", ")),
    };
    say(&format!(
        "wrote {} to {}: {}, {}{by_stage}, {}",
        count_queries(report.mined),
        path.display(),
        count(report.answers as u64, "relevant passage"),
        count(hard as u64, "hard negative"),
        count(report.random as u64, "random one"),
    ));
    let left_out = [
        (
            report.without_answer,
            "without a relevant document in the index",
        ),
        (report.without_negative, "without a negative"),
    ];
    for (n, what) in left_out.into_iter().filter(|(n, _)| *n > 0) {
        note(&format!("{} {what}: left out", count_queries(n)));
    }
    if report.answers_left_out > 0 {
        let passages = count(report.answers_left_out as u64, "relevant passage");
        note(&format!("{passages} beyond --relevant: left out"));
    }
    let dropped = [
        (report.above_margin, "within the margin of what is relevant"),
        (report.guarded, "relevant to the cross-encoder"),
        (report.same_text, "of the same text as what is relevant"),
    ];
    for (n, what) in dropped.into_iter().filter(|(n, _)| *n > 0) {
        note(&format!(
            "{} {what}: no negatives",
            count(n as u64, "candidate")
        ));
    }
    if report.read > 0 {
        note(&format!(
            "the cross-encoder read {}",
            count(report.read as u64, "pair")
        ));
    }
}
