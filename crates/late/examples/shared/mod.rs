//! Token vectors of documents and queries, judgments, and what a ranking is worth by them.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;

use treffer_late::LateIndex;
use treffer_types::{DocId, PassageId, Score};

pub(crate) type Texts = Vec<(PassageId, Vec<f32>)>;
pub(crate) type Grades = HashMap<(u32, u32), f64>;

/// Documents of a ranking that count.
const TOP: usize = 10;

/// The passages of a folder with their vectors, in order.
pub(crate) fn read(dir: &Path) -> Result<Texts, Box<dyn Error>> {
    let index = LateIndex::open_folder(dir)?;
    let mut texts = Texts::new();
    for doc in (0..).map(DocId) {
        if texts.len() >= index.len() {
            break;
        }
        for passage in index.passages_of(doc)? {
            texts.extend(index.vectors_of(passage)?.map(|vectors| (passage, vectors)));
        }
    }
    Ok(texts)
}

pub(crate) fn judgments(path: &Path) -> Result<Grades, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [query, doc, grade] = fields[..] else {
            return Err(format!("not three numbers: {line:?}").into());
        };
        Ok(((query.parse()?, doc.parse()?), grade.parse()?))
    };
    text.lines().map(line).collect()
}

/// The documents of a ranking of passages, each by its best one.
pub(crate) fn documents_of(ranking: &[(PassageId, Score)]) -> Vec<u32> {
    let mut seen = HashSet::new();
    let docs = ranking.iter().map(|(passage, _)| passage.doc.0);
    docs.filter(|doc| seen.insert(*doc)).collect()
}

/// nDCG of a ranking of documents, `None` without a relevant one.
pub(crate) fn ndcg(query: u32, ranking: &[u32], grades: &Grades) -> Option<f64> {
    let of_query = grades.iter().filter(|((of, _), _)| *of == query);
    let mut ideal: Vec<f64> = of_query.map(|(_, grade)| *grade).collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let found = ranking
        .iter()
        .map(|doc| grades.get(&(query, *doc)).copied().unwrap_or(0.0));
    let best = discounted(ideal);
    (best > 0.0).then(|| discounted(found) / best)
}

fn discounted(grades: impl IntoIterator<Item = f64>) -> f64 {
    let gains = grades.into_iter().take(TOP).enumerate();
    let gains = gains.map(|(rank, grade)| grade / (rank as f64 + 2.0).log2());
    gains.sum()
}
