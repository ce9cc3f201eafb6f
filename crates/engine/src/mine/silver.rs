//! Queries that nobody asked: titles and headings, whose answers are the texts below them, as
//! in the inverse cloze task (Lee et al. 2019, <https://arxiv.org/abs/1906.00300>).

use std::collections::HashMap;

use treffer_types::{DocId, Document, Heading, Passage, Progress, Query};

use super::chance::Chance;
use super::{Answer, Origin, Sought};
use crate::engine::Engine;
use crate::error::{Error, part, stop_if_asked};

/// Fewest words of a query: one alone is rarely a question.
const WORDS: usize = 2;
/// Most words: more are a sentence.
const MOST_WORDS: usize = 32;
/// Fewest words of an answer.
const ANSWER_WORDS: usize = 8;

/// Documents between two questions whether to stop.
const BATCH: u64 = 1024;

/// A title or heading, by its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    doc: DocId,
    /// The number of the heading; `None` for the title.
    heading: Option<u32>,
}

/// Titles and headings of the index as queries, at most `limit` of them, drawn by `seed`. Those
/// that occur more than once, as "Introduction" does, are left out, since nothing says which of
/// the texts below them is meant.
///
/// # Errors
/// If the index cannot be read or `progress` says to stop.
pub fn silver(
    engine: &Engine,
    limit: usize,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<Sought>, Error> {
    let chance = Chance::new(seed);
    let store = engine.store();
    progress.begin("titles", Some(store.n_live() as u64), "documents");
    // By a hash of 64 bits, since texts of millions of documents would not fit.
    let mut found: HashMap<u64, Option<Place>> = HashMap::new();
    for (at, doc) in (0u64..).zip(store.live_docs()) {
        if at % BATCH == 0 {
            stop_if_asked(progress)?;
        }
        let (document, passages) = read(engine, doc)?;
        for (heading, query, _) in queries(&document, &passages) {
            let key = chance.of(&query.to_lowercase()).at(0);
            let place = Place { doc, heading };
            found
                .entry(key)
                .and_modify(|known| *known = None)
                .or_insert(Some(place));
        }
        progress.advance(1);
    }
    progress.end();
    // The keys are random, and so is their order.
    let mut drawn: Vec<(u64, Place)> = found
        .into_iter()
        .filter_map(|(key, place)| Some((key, place?)))
        .collect();
    drawn.sort_unstable();
    drawn.truncate(limit);
    drawn.sort_unstable_by_key(|(_, place)| *place);
    let mut sought = Vec::with_capacity(drawn.len());
    for of_document in drawn.chunk_by(|a, b| a.1.doc == b.1.doc) {
        let doc = of_document[0].1.doc;
        let (document, passages) = read(engine, doc)?;
        for (heading, query, answer) in queries(&document, &passages) {
            if !of_document
                .iter()
                .any(|(_, place)| place.heading == heading)
            {
                continue;
            }
            let (origin, suffix) = match heading {
                None => (Origin::Title, "title".to_owned()),
                Some(number) => (Origin::Heading, format!("heading-{number}")),
            };
            sought.push(Sought {
                query: Query {
                    id: format!("{}#{suffix}", document.id),
                    ..Query::text(query)
                },
                answers: vec![Answer {
                    doc,
                    grade: 1,
                    text: Some(answer.to_owned()),
                }],
                refused: Vec::new(),
                origin,
            });
        }
    }
    Ok(sought)
}

fn read(engine: &Engine, doc: DocId) -> Result<(Document, Vec<Passage>), Error> {
    let split = engine.store().split_document(doc);
    split.map_err(part("read", "store", engine.dir()))
}

/// The title and the headings of a document that can be queries, each with what is below it in
/// its passage.
fn queries<'a>(
    document: &'a Document,
    passages: &'a [Passage],
) -> Vec<(Option<u32>, &'a str, &'a str)> {
    let mut found = Vec::new();
    let text = document.text.as_str();
    let first = passages.first().and_then(|passage| passage.piece(text));
    let title = document.title.trim();
    let below = first.unwrap_or(text).trim_start();
    // Many texts begin with their title.
    let below = below.strip_prefix(title).unwrap_or(below);
    push(&mut found, None, title, below);
    for (number, heading) in (0u32..).zip(&document.headings) {
        let Some((line, below)) = section(document, passages, heading) else {
            continue;
        };
        push(&mut found, Some(number), line, below);
    }
    found
}

fn push<'a>(
    found: &mut Vec<(Option<u32>, &'a str, &'a str)>,
    heading: Option<u32>,
    query: &'a str,
    answer: &'a str,
) {
    let (query, answer) = (query.trim(), answer.trim());
    let words = query.split_whitespace().count();
    let answer_words = answer.split_whitespace().take(ANSWER_WORDS).count();
    if (WORDS..=MOST_WORDS).contains(&words) && answer_words == ANSWER_WORDS {
        found.push((heading, query, answer));
    }
}

/// A heading's line, and what follows it up to the next heading of its level or above, within
/// its passage.
fn section<'a>(
    document: &'a Document,
    passages: &[Passage],
    heading: &Heading,
) -> Option<(&'a str, &'a str)> {
    let text = document.text.as_str();
    let is_around = |passage: &&Passage| (passage.start..passage.end).contains(&heading.at);
    // Passages overlap, and the later one goes on for longer.
    let end = passages
        .iter()
        .rev()
        .find(is_around)
        .map(|passage| passage.end);
    let ends = |next: &&Heading| next.at > heading.at && next.level <= heading.level;
    let next = document.headings.iter().find(ends).map(|next| next.at);
    let end = end.into_iter().chain(next).min();
    let end = end.map_or(text.len(), |end| end as usize);
    let all = text.get(heading.at as usize..end)?;
    let (line, below) = all.split_once('\n')?;
    // Markdown marks headings with number signs.
    Some((line.trim().trim_matches('#'), below))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "one two three four five six seven eight nine";

    #[test]
    fn titles_and_headings_are_queries_for_what_is_below_them() {
        let text = format!(
            "Cold rooms {LONG}\nHow cold\n{LONG} cold\nDoor\n{LONG} door\nOf the house\n{LONG} house\n"
        );
        let at = |line: &str| text.find(line).unwrap() as u32;
        let heading = |line: &str, level| Heading {
            at: at(line),
            level,
        };
        let document = Document {
            id: "d".into(),
            title: "Cold rooms".into(),
            headings: vec![
                heading("How cold\n", 1),
                heading("Door\n", 2),
                heading("Of the house\n", 1),
            ],
            text: text.clone(),
            ..Document::default()
        };
        let found = queries(&document, &[]);
        let [title, first, last] = found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((title.0, title.1), (None, "Cold rooms"));
        assert!(title.2.starts_with("one two"), "{}", title.2);
        assert_eq!((first.0, first.1), (Some(0), "How cold"));
        // A section below it belongs to it, and the one beside it does not.
        assert!(first.2.starts_with(LONG) && first.2.ends_with("door"));
        assert_eq!((last.0, last.1), (Some(2), "Of the house"));
        assert!(last.2.ends_with("house"));
    }

    #[test]
    fn a_section_ends_with_its_passage() {
        let text = format!("How cold\n{LONG}\n{LONG} more");
        let end = text.rfind("\n").unwrap() as u32;
        let document = Document {
            headings: vec![Heading { at: 0, level: 1 }],
            text,
            ..Document::default()
        };
        let passage = Passage {
            context: String::new(),
            start: 0,
            end,
        };
        let found = queries(&document, std::slice::from_ref(&passage));
        assert_eq!(found, [(Some(0), "How cold", LONG)]);
    }

    #[test]
    fn a_single_word_or_an_empty_section_is_no_query() {
        let document = |title: &str, text: &str| Document {
            title: title.into(),
            text: text.into(),
            ..Document::default()
        };
        for (title, text) in [("Introduction", LONG), ("Cold rooms", "see below")] {
            assert_eq!(queries(&document(title, text), &[]), []);
        }
    }
}
