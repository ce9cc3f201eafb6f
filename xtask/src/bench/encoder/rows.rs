//! The work that is compared: one row of the table each.

use anyhow::{Result, ensure};

use crate::texts::{Collection, passages, spread, typical};

/// What a bi-encoder of the BGE family wants before a query.
const BGE_QUERY_PREFIX: &str = "Represent this sentence for searching relevant passages: ";
/// Texts of every row but that of the documents.
const N_TEXTS: usize = 100;
/// Documents of the corpus that are encoded, unless all are asked for.
const N_DOCUMENTS: usize = 400;
/// The models' own limit.
const MAX_LENGTH: usize = 512;

/// A model, and whether it is cut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// As the product's registry knows it.
    pub(super) name: &'static str,
    /// Only so many of its layers: the speed of a smaller model of the same shape,
    /// whose scores mean nothing.
    pub(super) n_layers: Option<usize>,
}

const L12: Model = Model {
    name: "ms-marco-MiniLM-L-12-v2",
    n_layers: None,
};
const L6: Model = Model {
    name: "ms-marco-MiniLM-L-12-v2",
    n_layers: Some(6),
};
const BGE: Model = Model {
    name: "bge-small-en-v1.5",
    n_layers: None,
};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What `--only` calls it.
    pub(super) name: &'static str,
    pub(super) model: Model,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A query with documents of the corpus.
    Pairs,
    /// A query with passages that fill so many tokens.
    Filled(usize),
    /// Documents to vectors.
    Documents,
    /// Queries to vectors, each alone.
    Queries,
}

/// Every row, in the order of the table.
pub(super) const ROWS: [Row; 10] = [
    row("l12-pairs", L12, Kind::Pairs),
    row("l12-64", L12, Kind::Filled(64)),
    row("l12-128", L12, Kind::Filled(128)),
    row("l12-256", L12, Kind::Filled(256)),
    row("l12-512", L12, Kind::Filled(512)),
    row("l6-pairs", L6, Kind::Pairs),
    row("l6-128", L6, Kind::Filled(128)),
    row("l6-256", L6, Kind::Filled(256)),
    row("bge-documents", BGE, Kind::Documents),
    row("bge-queries", BGE, Kind::Queries),
];

const fn row(name: &'static str, model: Model, kind: Kind) -> Row {
    Row { name, model, kind }
}

/// The rows called `names`, or all.
///
/// # Errors
/// If a name is none of a row.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let known = ROWS.map(|row| row.name);
    for name in names {
        ensure!(
            known.contains(&name.as_str()),
            "there is no row `{name}`; there are {}",
            known.join(", ")
        );
    }
    let wanted = |row: &Row| names.is_empty() || names.iter().any(|name| name == row.name);
    Ok(ROWS.into_iter().filter(wanted).collect())
}

/// What the contestants are to do, the same for all of them.
#[derive(Debug, PartialEq)]
pub(super) struct Work {
    /// The query of all pairs; none for a bi-encoder.
    pub(super) query: Option<String>,
    pub(super) texts: Vec<String>,
    /// In tokens, special ones included.
    pub(super) max_length: usize,
    /// Whether every text is a call of its own.
    pub(super) one_by_one: bool,
}

impl Row {
    /// The words of the table's first column.
    pub(super) fn title(&self, work: &Work) -> String {
        let n = work.texts.len();
        let model = match (self.model.name, self.model.n_layers) {
            (name, None) => name.to_owned(),
            (name, Some(layers)) => format!("{name} cut to {layers} layers"),
        };
        let what = match self.kind {
            Kind::Pairs => format!("{n} SciFact pairs, real lengths"),
            Kind::Filled(tokens) => format!("{n} pairs of {tokens} tokens"),
            Kind::Documents => format!("{n} SciFact documents"),
            Kind::Queries => format!("a SciFact claim, median of {n}"),
        };
        format!("{model}: {what}")
    }

    /// Takes its texts from the collection, spread evenly over it.
    pub(super) fn work(&self, collection: &Collection, full: bool) -> Work {
        let Collection { documents, queries } = collection;
        let mut work = Work {
            query: None,
            texts: Vec::new(),
            max_length: MAX_LENGTH,
            one_by_one: false,
        };
        match self.kind {
            Kind::Pairs => {
                work.query = Some(typical(queries));
                work.texts = spread(documents, N_TEXTS);
            }
            Kind::Filled(tokens) => {
                work.query = Some(typical(queries));
                work.texts = passages(documents, N_TEXTS, tokens);
                work.max_length = tokens;
            }
            Kind::Documents if full => work.texts = documents.clone(),
            Kind::Documents => work.texts = spread(documents, N_DOCUMENTS),
            Kind::Queries => {
                let prefixed = |query: String| format!("{BGE_QUERY_PREFIX}{query}");
                work.texts = spread(queries, N_TEXTS).into_iter().map(prefixed).collect();
                work.one_by_one = true;
            }
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        Collection {
            documents: (0..7).map(|i| format!("document {i} of seven")).collect(),
            queries: ["aa", "b", "cccc"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_row_that_is_not_there_is_refused_with_those_that_are() {
        let message = chosen(&["l13".to_owned()]).unwrap_err().to_string();
        assert!(
            message.contains("`l13`") && message.contains("bge-queries"),
            "{message}"
        );
        let names = ["bge-queries", "l12-64"].map(str::to_owned);
        let rows = chosen(&names).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.name).collect::<Vec<_>>(),
            ["l12-64", "bge-queries"]
        );
        assert_eq!(chosen(&[]).unwrap(), ROWS);
    }

    #[test]
    fn every_kind_of_row_has_work() {
        for row in ROWS {
            let work = row.work(&collection(), false);
            assert!(!work.texts.is_empty());
            assert_eq!(work.query.is_some(), row.model != BGE, "{}", row.name);
            assert_eq!(work.query.as_deref().unwrap_or("aa"), "aa");
            assert_eq!(work.one_by_one, row.name == "bge-queries");
        }
        let documents = ROWS[8].work(&collection(), true);
        assert_eq!(documents.texts, collection().documents);
    }
}
