//! What late interaction compared: the tokens of a passage that are nearest to those of the query,
//! marked in its text.

use treffer_api::{Hit, HitPassage};

use crate::markup::{Element, Markup, el};
use crate::page::remark;
use crate::text::token_matches;

/// The passage of a hit that has an alignment, with the tokens marked; `None` if there is none.
pub(crate) fn matches(hit: &Hit) -> Option<Markup> {
    let passage = (hit.passages.iter()).find(|passage| !passage.alignment.is_empty())?;
    let mut shown = Markup::new();
    let heading = format!("What late interaction compared in {}", hit.id);
    shown.push(el("h3").text(heading));
    shown.push(marked(hit, passage)?);
    shown.push(remark(format!(
        "Marked are the tokens nearest to those of the query, the stronger the nearer. {}.",
        token_matches(&passage.alignment)?
    )));
    Some(shown)
}

/// A piece of a text and the tokens of the query that are nearest to it.
#[derive(Debug, PartialEq)]
struct Mark {
    from: usize,
    to: usize,
    /// Of the nearest of them.
    similarity: f32,
    words: Vec<String>,
}

/// The text of the passage; `None` if a place is not one of it.
fn marked(hit: &Hit, passage: &HitPassage) -> Option<Element> {
    let (start, end) = passage.place;
    let mut paragraph = el("p").class("passage");
    let mut at = start;
    for mark in marks(passage) {
        let title = format!("{} {:.2}", mark.words.join(", "), mark.similarity);
        let shown = el("mark")
            .class(strength(mark.similarity))
            .attr("title", title)
            .text(hit.text.get(mark.from..mark.to)?);
        paragraph = paragraph.text(hit.text.get(at..mark.from)?).add(shown);
        at = mark.to;
    }
    Some(paragraph.text(hit.text.get(at..end)?))
}

/// Places in their order, each once; of places that overlap the one that begins first.
fn marks(passage: &HitPassage) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let placed = passage.alignment.iter().filter_map(|one| {
        one.query_place?;
        let (from, to) = one.place?;
        Some((from, to, one))
    });
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_key(|(from, to, _)| (*from, *to));
    for (from, to, one) in placed {
        let word = one.query_token.clone();
        match marks.last_mut() {
            Some(last) if (last.from, last.to) == (from, to) => {
                last.similarity = last.similarity.max(one.similarity);
                last.words.push(word);
            }
            Some(last) if from < last.to => {}
            _ => marks.push(Mark {
                from,
                to,
                similarity: one.similarity,
                words: vec![word],
            }),
        }
    }
    marks
}

/// The class of a mark.
fn strength(similarity: f32) -> &'static str {
    match similarity {
        ..0.4 => "weak",
        ..0.7 => "fair",
        _ => "strong",
    }
}

#[cfg(test)]
mod tests {
    use treffer_api::TokenMatch;
    use treffer_types::StageMap;

    use super::*;

    fn met(query_token: &str, place: Option<(usize, usize)>, similarity: f32) -> TokenMatch {
        TokenMatch {
            query_token: query_token.to_owned(),
            query_place: Some((0, query_token.len())),
            token: "token".to_owned(),
            place,
            similarity,
        }
    }

    fn hit(alignment: Vec<TokenMatch>) -> Hit {
        let text = "Über <b>: a silent fridge".to_owned();
        let passage = HitPassage {
            place: (0, text.len()),
            of: 1,
            alignment,
            ..HitPassage::default()
        };
        Hit {
            rank: 1,
            id: "a<b".to_owned(),
            score: 0.0,
            sort_value: None,
            passages: vec![passage],
            title: String::new(),
            text,
            stages: StageMap::new(),
            learned: Vec::new(),
        }
    }

    #[test]
    fn tokens_are_marked_where_they_are_and_escaped() {
        let hit = hit(vec![
            met("fridge", Some((20, 26)), 0.9),
            met("over", Some((0, 5)), 0.3),
            met("cool", Some((20, 26)), 0.5),
            met("title", None, 1.0),
        ]);
        let shown = matches(&hit).unwrap();
        let html = shown.as_str();
        assert!(html.contains("compared in a&lt;b"), "{html}");
        assert!(
            html.contains(">Über</mark> &lt;b&gt;: a silent <mark"),
            "{html}"
        );
        assert!(
            html.contains(r#"title="fridge, cool 0.90">fridge</mark></p>"#),
            "{html}"
        );
        assert!(html.contains("over = token 0.30"), "{html}");
    }

    #[test]
    fn tokens_that_overlap_are_marked_once() {
        let overlapping = [met("a", Some((12, 18)), 0.5), met("b", Some((13, 18)), 0.9)];
        let hit = hit(overlapping.to_vec());
        assert_eq!(marks(&hit.passages[0]).len(), 1);
        assert_eq!(matches(&hit).unwrap().as_str().matches("<mark").count(), 1);
    }

    #[test]
    fn without_an_alignment_and_with_a_wrong_place_nothing_is_shown() {
        assert_eq!(matches(&hit(Vec::new())), None);
        assert_eq!(matches(&hit(vec![met("a", Some((1, 2)), 0.5)])), None);
        assert_eq!(matches(&hit(vec![met("a", Some((90, 95)), 0.5)])), None);
    }
}
