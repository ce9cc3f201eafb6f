//! Worked examples: which documents must rank above which, and in whose scores they do.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::definition::Order;
use super::report::Output;

/// What the rows count.
pub(super) const METRIC: &str = "examples";
/// The row of the fused scores.
const FUSION: &str = "fusion";

/// A line of `treffer search --explain --format json`; only the parts that are used.
#[derive(Deserialize)]
struct Searched {
    query: Query,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Query {
    id: String,
}

#[derive(Deserialize)]
struct Hit {
    id: String,
    score: f64,
    stages: BTreeMap<String, StageScore>,
}

#[derive(Deserialize)]
struct StageScore {
    raw: Option<f64>,
}

impl Hit {
    fn score(&self, row: &str) -> Option<f64> {
        match row {
            FUSION => Some(self.score),
            stage => self.stages.get(stage)?.raw,
        }
    }
}

/// What holds in one row of one search.
#[derive(Debug)]
pub(super) struct Column {
    row: String,
    profile: Option<String>,
    examples: Vec<Example>,
}

/// A query, and how many pairs of its judged documents are in order.
#[derive(Debug)]
struct Example {
    query: String,
    n_held: usize,
    n_pairs: usize,
}

/// A query's judged documents with their grades.
type Judged<'a> = (&'a str, Vec<(&'a str, i64)>);

/// A column for each row; the first `limit` examples only.
pub(super) fn columns(
    order: &Order,
    qrels: &str,
    searched: &str,
    limit: Option<usize>,
) -> Result<Vec<Column>> {
    let mut judged = judged(qrels)?;
    judged.truncate(limit.unwrap_or(usize::MAX));
    let mut hits = HashMap::new();
    for line in searched.lines() {
        let one: Searched = serde_json::from_str(line)
            .context("could not understand what `treffer search` printed")?;
        hits.insert(one.query.id, one.hits);
    }
    let column = |row: &String| {
        let scored = |hit: &Hit| hit.score(row).is_some();
        ensure!(
            hits.values().flatten().any(scored),
            "the search has no scores of `{row}`: its profile does not run it"
        );
        let example = |judged: &Judged<'_>| {
            let hits = hits
                .get(judged.0)
                .with_context(|| format!("query `{}` is judged, but was not searched", judged.0))?;
            Ok(example(judged, hits, row))
        };
        Ok(Column {
            row: row.clone(),
            profile: order.profile.clone(),
            examples: judged.iter().map(example).collect::<Result<_>>()?,
        })
    };
    order.rows.iter().map(column).collect()
}

/// The judgments of BEIR's TSV, by query in the order of the file.
fn judged(qrels: &str) -> Result<Vec<Judged<'_>>> {
    let mut all: Vec<Judged<'_>> = Vec::new();
    for line in qrels.lines().skip(1) {
        let mut cells = line.split('\t');
        let cell = (cells.next(), cells.next(), cells.next());
        let (Some(query), Some(document), Some(grade)) = cell else {
            bail!("the judgment `{line}` is not query, document and grade");
        };
        let grade = grade
            .parse()
            .with_context(|| format!("the grade of `{line}` is no whole number"))?;
        match all.last_mut() {
            Some((last, documents)) if *last == query => documents.push((document, grade)),
            _ => all.push((query, vec![(document, grade)])),
        }
    }
    Ok(all)
}

/// Equal scores are not in order, and a document without a score is below every other.
fn example((query, documents): &Judged<'_>, hits: &[Hit], row: &str) -> Example {
    let score = |document: &str| {
        let hit = hits.iter().find(|hit| hit.id == document)?;
        hit.score(row)
    };
    let mut example = Example {
        query: (*query).to_owned(),
        n_held: 0,
        n_pairs: 0,
    };
    for (better, high) in documents {
        for (worse, _) in documents.iter().filter(|(_, low)| low < high) {
            example.n_pairs += 1;
            example.n_held += usize::from(score(better) > score(worse));
        }
    }
    example
}

impl Example {
    fn holds(&self) -> bool {
        self.n_held == self.n_pairs
    }

    fn cell(&self) -> String {
        match (self.holds(), self.n_pairs) {
            (true, _) => "yes".to_owned(),
            (false, 1) => "no".to_owned(),
            (false, n_pairs) => format!("{} of {n_pairs}", self.n_held),
        }
    }
}

impl Column {
    fn n_held(&self) -> usize {
        self.examples.iter().filter(|one| one.holds()).count()
    }

    fn name(&self) -> String {
        match &self.profile {
            Some(profile) => format!("{} ({profile})", self.row),
            None => self.row.clone(),
        }
    }
}

/// The number of examples that hold, row by row.
pub(super) fn output(columns: &[Column]) -> Output {
    let row = |column: &Column| (column.row.clone(), column.n_held() as f64);
    let rows: Vec<(String, f64)> = columns.iter().map(row).collect();
    Output::of(
        METRIC,
        rows.iter().map(|(row, value)| (row.as_str(), *value)),
    )
}

/// Every example by row, as a Markdown table.
pub(super) fn table(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(Column::name).collect();
    let mut text = format!("| example | {} |\n|", names.join(" | "));
    text += &" --- |".repeat(columns.len() + 1);
    text.push('\n');
    let examples = columns.first().map_or(&[][..], |column| &column.examples);
    for (at, example) in examples.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "| {} |", example.query);
        for one in columns.iter().filter_map(|column| column.examples.get(at)) {
            let _ = write!(text, " {} |", one.cell());
        }
        text.push('\n');
    }
    text += "| all |";
    for column in columns {
        let _ = write!(text, " {} of {} |", column.n_held(), column.examples.len());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::COMMAND;
    use super::super::definition::Experiment;
    use super::super::generated::tests::section;
    use super::*;

    const QRELS: &str = "query-id\tcorpus-id\tscore\n\
        q\ta\t2\nq\tb\t1\nq\tc\t0\nr\ta\t1\nr\tb\t0\nr\tc\t0\n";
    const SEARCHED: &str = r#"{"query":{"id":"q"},"hits":[{"id":"b","score":0.9,"stages":{"bm25":{"raw":2.0}}},{"id":"a","score":0.8,"stages":{"bm25":{"raw":3.0}}},{"id":"c","score":0.1,"stages":{"bm25":{"raw":null}}}]}
{"query":{"id":"r"},"hits":[{"id":"a","score":0.9,"stages":{"bm25":{"raw":1.0}}},{"id":"b","score":0.9,"stages":{"bm25":{"raw":1.0}}}]}
"#;

    fn order(row: &str) -> Order {
        toml::from_str(&format!("split = \"test\"\nrows = [\"{row}\"]")).unwrap()
    }

    fn cells(row: &str, limit: Option<usize>) -> Vec<String> {
        let columns = columns(&order(row), QRELS, SEARCHED, limit).unwrap();
        columns[0].examples.iter().map(Example::cell).collect()
    }

    #[test]
    fn pairs_of_different_grades_are_counted_and_ties_do_not_hold() {
        assert_eq!(cells("bm25", None), ["yes", "1 of 2"]);
        assert_eq!(cells("fusion", None), ["2 of 3", "1 of 2"]);
        assert_eq!(cells("fusion", Some(1)), ["2 of 3"]);
    }

    #[test]
    fn what_was_not_searched_is_no_example_that_fails() {
        let refused = |row, qrels| columns(&order(row), qrels, SEARCHED, None).unwrap_err();
        let error = refused("dense", QRELS).to_string();
        assert!(error.contains("no scores of `dense`"), "{error}");
        let error = refused("bm25", "query-id\tcorpus-id\tscore\nz\ta\t1\n");
        assert!(error.to_string().contains("`z` is judged"), "{error}");
        assert!(
            refused("bm25", "head\nq\ta\n")
                .to_string()
                .contains("`q\ta`")
        );
        assert!(
            refused("bm25", "head\nq\ta\tx\n")
                .to_string()
                .contains("no whole")
        );
    }
    #[test]
    fn the_page_shows_what_the_definition_expects() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/reproduce");
        let experiment = Experiment::read(&folder, "seed").unwrap();
        let queries = folder.join("../../data/seed-examples/queries.jsonl");
        let n = std::fs::read_to_string(queries).unwrap().lines().count();
        let orders = experiment.index.iter().flat_map(|index| &index.order);
        let expected: Vec<String> = orders
            .flat_map(|order| &order.expect)
            .map(|expected| format!(" {} of {n} ", expected.value))
            .collect();
        let page = section("data/seed-examples/README.md", COMMAND);
        let all = format!("| all |{}|", expected.join("|"));
        assert_eq!(page.trim_end().lines().last(), Some(all.as_str()));
    }
}
