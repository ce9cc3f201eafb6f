//! `treffer quickstart`: the whole journey on the sample corpus, as the commands that
//! one would type, each shown before it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use treffer_disk::{create_dir_durably, write_durably};

use crate::Outcome;
use crate::options::Global;
use crate::terminal::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Quickstart {
    /// Folder for the sample and its index
    #[arg(default_value = "treffer-quickstart")]
    dir: PathBuf,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// The sample, carried in the program so that it works from any folder.
const SAMPLE: [(&str, &str); 5] = [
    (
        "corpus.jsonl",
        include_str!("../../../data/sample/corpus.jsonl"),
    ),
    (
        "queries.jsonl",
        include_str!("../../../data/sample/queries.jsonl"),
    ),
    (
        "qrels/train.tsv",
        include_str!("../../../data/sample/qrels/train.tsv"),
    ),
    (
        "qrels/test.tsv",
        include_str!("../../../data/sample/qrels/test.tsv"),
    ),
    ("config.toml", include_str!("../../../configs/sample.toml")),
];

const QUERIES: [&str; 3] = [
    "Laborkühlschrank nach DIN 13277 mit 280 Liter",
    "Kühlschrank ohne Gefrierfach",
    "what causes frost in a laboratory freezer?",
];

/// Unpacks the sample and runs every step.
pub(crate) fn run(command: &Quickstart, global: &Global) -> Result<Outcome> {
    let sample = command.dir.join("sample");
    let steps = steps(&sample, &command.dir.join("index"));
    if command.dry_run {
        say(&format!(
            "would unpack the sample into {} and run:",
            sample.display()
        ));
        for step in &steps {
            say(&format!("  {}", step.shown()));
        }
        return Ok(Outcome::Found);
    }
    unpack(&sample)?;
    say(&format!("unpacked the sample into {}", sample.display()));
    for step in &steps {
        step.run(global)?;
    }
    say_next_steps(&sample, &command.dir.join("index"));
    Ok(Outcome::Found)
}

/// A step: what it is for, and the arguments of `treffer`.
struct Step {
    purpose: &'static str,
    arguments: Vec<String>,
}

fn steps(sample: &Path, index: &Path) -> Vec<Step> {
    let path = |path: PathBuf| path.display().to_string();
    let index = path(index.to_path_buf());
    let step = |purpose, words: &[&str]| Step {
        purpose,
        arguments: words.iter().map(std::string::ToString::to_string).collect(),
    };
    let (queries, config) = (
        path(sample.join("queries.jsonl")),
        path(sample.join("config.toml")),
    );
    let corpus = path(sample.join("corpus.jsonl"));
    let (train, test) = (
        path(sample.join("qrels/train.tsv")),
        path(sample.join("qrels/test.tsv")),
    );
    let eval = ["eval", &index, "--queries", &queries, "--qrels", &test];
    let mut steps = vec![
        step(
            "Fetch the models, once",
            &[
                "model",
                "pull",
                "multilingual-e5-small",
                "treffer-mini-de-en",
            ],
        ),
        step(
            "Build the index",
            &["index", &index, &corpus, "--config", &config, "--replace"],
        ),
    ];
    for query in QUERIES {
        steps.push(step(
            "Search, with every score explained",
            &["search", &index, query, "-k", "3", "--explain", "--timings"],
        ));
    }
    steps.push(step("Measure every stage on the test queries", &eval));
    steps.push(step(
        "Tune the weights on the training queries",
        &["tune", &index, "--queries", &queries, "--qrels", &train],
    ));
    steps.push(step(
        "Measure again on the test queries, which had no part in tuning",
        &[&eval[..], &["--by-tag"]].concat(),
    ));
    steps
}

impl Step {
    /// The command as one would type it.
    fn shown(&self) -> String {
        let quoted = self.arguments.iter().map(|word| {
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                word.clone()
            }
        });
        format!("treffer {}", quoted.collect::<Vec<_>>().join(" "))
    }

    fn run(&self, global: &Global) -> Result<()> {
        say(&format!("\n# {}\n$ {}", self.purpose, self.shown()));
        let program = std::env::current_exe().context("could not find this program's own file")?;
        let mut child = Command::new(program);
        child.args(&self.arguments);
        if let Some(models) = &global.models {
            child.arg("--models").arg(models);
        }
        if global.offline {
            child.arg("--offline");
        }
        if let Some(threads) = global.threads {
            child.args(["--threads", &threads.to_string()]);
        }
        let status = child
            .status()
            .with_context(|| format!("could not run `{}`", self.shown()))?;
        if !status.success() {
            bail!("`{}` failed; its own message is above", self.shown());
        }
        Ok(())
    }
}

fn unpack(sample: &Path) -> Result<()> {
    for (name, text) in SAMPLE {
        let path = sample.join(name);
        let folder = path.parent().unwrap_or(sample);
        create_dir_durably(folder)?;
        write_durably(&path, text.as_bytes())?;
    }
    Ok(())
}

fn say_next_steps(sample: &Path, index: &Path) {
    let (sample, index) = (sample.display(), index.display());
    say(&format!(
        "
# Next steps
Search:        treffer search {index} 'your words'
New weights:   treffer search {index} 'your words' --weights 0.5,0.5,0 --explain
Your corpus:   treffer index my-index corpus.jsonl --preset english
Its format:    head -n 2 {sample}/corpus.jsonl
Its settings:  {index}/treffer.toml
More:          treffer help index"
    ));
}
