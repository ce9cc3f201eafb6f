//! Duplicates, as a table and as lines of JSON.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use treffer_api::{Cluster, DuplicatePair, DuplicatesReport, Identity};
use treffer_report::text::{count, one_line};

use crate::format::{Block, Blocks, Columns, Format, Json, Lines};

/// What was found.
pub(super) struct Answer<'a>(pub(super) &'a DuplicatesReport);

/// A line: what it is, and all of it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    /// The first line.
    Summary {
        n_documents: usize,
        n_candidates: usize,
        baseline: f64,
        n_clusters: usize,
        n_differing: usize,
    },
    /// Duplicates.
    Cluster(&'a Cluster),
    /// No duplicates, for their numbers.
    DiffersInNumbers(&'a DuplicatePair),
}

impl Lines for Answer<'_> {
    fn write_lines(&self, out: &mut dyn Write) -> Result<()> {
        let DuplicatesReport {
            n_documents,
            n_candidates,
            baseline,
            clusters,
            differing,
        } = self.0;
        let summary = Line::Summary {
            n_documents: *n_documents,
            n_candidates: *n_candidates,
            baseline: *baseline,
            n_clusters: clusters.len(),
            n_differing: differing.len(),
        };
        Json.write(&summary, out)?;
        for cluster in clusters {
            Json.write(&Line::Cluster(cluster), out)?;
        }
        for pair in differing {
            Json.write(&Line::DiffersInNumbers(pair), out)?;
        }
        Ok(())
    }
}

impl Blocks for Answer<'_> {
    fn blocks(&self) -> Vec<Block> {
        let report = self.0;
        let n_documents: usize = report.clusters.iter().map(|c| c.documents.len()).sum();
        let mut blocks = vec![Block::Line(match report.clusters.len() {
            0 => format!("no duplicates among {}", documents(report.n_documents)),
            n => format!(
                "{} of {} among {}",
                count(n as u64, "cluster"),
                documents(n_documents),
                documents(report.n_documents)
            ),
        })];
        for (number, cluster) in report.clusters.iter().enumerate() {
            blocks.extend(of_cluster(number + 1, cluster));
        }
        if !report.differing.is_empty() {
            let pairs = count(report.differing.len() as u64, "similar pair");
            blocks.push(Block::Line(String::new()));
            blocks.push(Block::Line(format!(
                "differs in numbers: {pairs}, no duplicates"
            )));
            blocks.push(Block::Columns(table(&report.differing)));
        }
        blocks
    }
}

fn of_cluster(number: usize, cluster: &Cluster) -> Vec<Block> {
    let n = documents(cluster.documents.len());
    let mut blocks = vec![
        Block::Line(String::new()),
        Block::Line(format!("cluster {number}: {n}")),
    ];
    blocks.extend(cluster.documents.iter().map(|document| {
        Block::Line(format!(
            "  {}  {}",
            document.id,
            one_line(&document.title, 70)
        ))
    }));
    blocks.push(Block::Columns(table(&cluster.pairs)));
    blocks
}

fn table(pairs: &[DuplicatePair]) -> Columns {
    let with_cross = pairs.iter().any(|pair| pair.cross.is_some());
    let mut table = Columns::default();
    let mut heading = vec!["  a", "b", "similarity", "cosine", "overlap"];
    if with_cross {
        heading.extend(["cross a>b", "b>a"]);
    }
    heading.extend(["only in a", "only in b", ""]);
    table.row(heading);
    for pair in pairs {
        let mut row = vec![
            format!("  {}", pair.a),
            pair.b.clone(),
            format!("{:.3}", pair.similarity),
            format!("{:.4}", pair.cosine.value()),
            format!("{:.2}", pair.overlap),
        ];
        if with_cross {
            let score = |score: Option<treffer_types::Score>| {
                score.map_or("-".to_owned(), |score| format!("{:.2}", score.value()))
            };
            row.push(score(pair.cross.map(|cross| cross.ab)));
            row.push(score(pair.cross.map(|cross| cross.ba)));
        }
        row.extend([
            some(&pair.only_a),
            some(&pair.only_b),
            match pair.identical {
                Some(Identity::Document) => "identical".to_owned(),
                Some(Identity::Text) => "same text".to_owned(),
                None => String::new(),
            },
        ]);
        table.row(row);
    }
    table
}

/// Numbers that are named on a terminal; all are in the JSON.
const SHOWN: usize = 4;

fn some(numbers: &[String]) -> String {
    let mut shown = numbers[..numbers.len().min(SHOWN)].join(", ");
    if numbers.len() > SHOWN {
        shown.push_str(&format!(", {} more", numbers.len() - SHOWN));
    }
    shown
}

fn documents(n: usize) -> String {
    count(n as u64, "document")
}
