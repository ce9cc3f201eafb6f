//! The part of a passage that shows best why it was found, on one line.

use treffer_api::HitPassage;

use crate::format::Style;

/// Characters of a sentence that answers.
const SENTENCE: usize = 400;

/// The sentence that answers, if one is marked; else the part that has the most words of the
/// query, from its beginning if none does, in `width` characters. Without styles, a sentence is marked by brackets.
pub(super) fn excerpt(
    text: &str,
    passage: &HitPassage,
    width: usize,
    has_styles: bool,
) -> Vec<(Style, String)> {
    let (start, end) = match passage.sentence {
        Some((start, end)) => (start, within(text, start, end, SENTENCE)),
        None => {
            let start = best_start(text, passage, width);
            (start, within(text, start, passage.place.1, width))
        }
    };
    let is_sentence = passage.sentence.is_some();
    let (usual, word) = match (has_styles, is_sentence) {
        (false, _) => (Style::None, Style::None),
        (true, false) => (Style::None, Style::Bold),
        (true, true) => (Style::Underlined, Style::BoldUnderlined),
    };
    let brackets = if is_sentence && !has_styles {
        ["[", "]"]
    } else {
        ["", ""]
    };
    let mut parts = vec![(Style::None, brackets[0].to_owned())];
    if start > passage.place.0 && !is_sentence {
        parts.push((Style::None, "... ".to_owned()));
    }
    let mut at = start;
    for &(from, to) in &passage.highlights {
        if from >= at && to <= end {
            parts.push((usual, one_line(text, at, from)));
            parts.push((word, one_line(text, from, to)));
            at = to;
        }
    }
    parts.push((usual, one_line(text, at, end)));
    let whole = passage.sentence.map_or(passage.place.1, |(_, end)| end);
    if end < whole {
        parts.push((Style::None, "...".to_owned()));
    }
    parts.push((Style::None, brackets[1].to_owned()));
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

/// Where a line begins that has the most words of the query: at the beginning if that is as good,
/// else at the first of them.
fn best_start(text: &str, passage: &HitPassage, width: usize) -> usize {
    let (first, end) = passage.place;
    let n_within = |start: usize| {
        let line = within(text, start, end, width);
        let is_within = |(from, to): &&(usize, usize)| *from >= start && *to <= line;
        passage.highlights.iter().filter(is_within).count()
    };
    let mut best = (first, n_within(first));
    for (from, _) in &passage.highlights {
        let n = n_within(*from);
        if n > best.1 {
            best = (*from, n);
        }
    }
    best.0
}

/// The end of at most `width` characters from `start` on, between words if it is not `end`.
fn within(text: &str, start: usize, end: usize, width: usize) -> usize {
    let Some(rest) = text.get(start..end) else {
        return start;
    };
    let Some((cut, _)) = rest.char_indices().nth(width) else {
        return end;
    };
    let between = rest[..cut].rfind(char::is_whitespace);
    start + between.unwrap_or(cut)
}

/// The text from `start` to `end` with each run of white space as one blank.
fn one_line(text: &str, start: usize, end: usize) -> String {
    let mut line = String::new();
    for c in text.get(start..end).unwrap_or_default().chars() {
        match c.is_whitespace() {
            true if line.ends_with(' ') => {}
            true => line.push(' '),
            false => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(text: &str, words: &[&str]) -> HitPassage {
        let place = |word: &&str| text.find(*word).map(|at| (at, at + word.len()));
        HitPassage {
            of: 1,
            place: (0, text.len()),
            highlights: words.iter().filter_map(place).collect(),
            ..HitPassage::default()
        }
    }

    fn shown(text: &str, passage: &HitPassage, has_styles: bool) -> String {
        let parts = excerpt(text, passage, 100, has_styles).into_iter();
        let marked = parts.map(|(style, text)| match style {
            Style::None => text,
            style => format!("<{style:?} {text}>"),
        });
        marked.collect()
    }

    #[test]
    fn a_short_text_is_shown_whole() {
        let text = "A quiet\n refrigerator.";
        let passage = passage(text, &["refrigerator"]);
        assert_eq!(shown(text, &passage, false), "A quiet refrigerator.");
        assert_eq!(shown(text, &passage, true), "A quiet <Bold refrigerator>.");
    }

    #[test]
    fn a_long_text_is_shown_where_the_words_are() {
        let text = format!(
            "{}the quiet door. {}",
            "filler ".repeat(40),
            "more ".repeat(40)
        );
        let shown = shown(&text, &passage(&text, &["quiet", "door"]), false);
        assert!(shown.starts_with("... quiet door. more"), "{shown}");
        assert!(shown.ends_with("more..."), "{shown}");
    }

    #[test]
    fn a_sentence_that_answers_is_marked() {
        let text = "It hums. It cools to 5 degrees. It is white.";
        let marked = HitPassage {
            sentence: Some((9, 31)),
            ..passage(text, &["cools"])
        };
        assert_eq!(shown(text, &marked, false), "[It cools to 5 degrees.]");
        let styled = "<Underlined It ><BoldUnderlined cools><Underlined  to 5 degrees.>";
        assert_eq!(shown(text, &marked, true), styled);
    }
}
