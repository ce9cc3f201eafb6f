//! Compounds: words that a language writes together, cut into words of the index itself.
//!
//! A term is cut where every piece is a term of the index, with at most a linking
//! element after it: `wohnungstur` is `wohnung`, the link `s`, and `tur`. Nothing may remain, so
//! that `sporthalle` is not `sport`, `hall` and an `e`. The fewest pieces win, then the fewest
//! letters of links, then the longest last piece, which says what the thing is.
//!
//! Pieces and links in their order are the term: no letter is added, dropped or changed.

mod short_words;

pub(crate) use short_words::SHORT_WORDS;

/// Shortest piece, in letters.
pub(super) const MIN_PART: usize = 3;
/// Shortest word of the index that compounds are cut into; shorter ones come from lists alone, since
/// many are also endings or links (`art`, `ort`, `est`).
const MIN_OF_INDEX: usize = 4;
/// Longest term that is cut.
const MAX_COMPOUND: usize = 64;
/// What may stand between two pieces.
pub(super) const LINKS: [&str; 7] = ["", "s", "n", "e", "es", "en", "er"];

/// Whether a term of the index may be a compound, or a piece of one: letters of the alphabet
/// alone, as the stemmer leaves them.
pub(crate) fn is_plain_word(term: &str) -> bool {
    term.len() >= MIN_OF_INDEX && is_listed_word(term)
}

/// Whether a term of a list of words may be a piece.
pub(crate) fn is_listed_word(term: &str) -> bool {
    (MIN_PART..=MAX_COMPOUND).contains(&term.len()) && term.bytes().all(|b| b.is_ascii_lowercase())
}

/// Whether a term is long enough to be cut, into whatever words.
pub(crate) fn may_be_cut(term: &str) -> bool {
    term.len() >= 2 * MIN_PART && is_plain_word(term)
}

/// The best way to a place in a term.
#[derive(Clone, Copy)]
struct Reached {
    /// Pieces so far, and letters of links between them.
    cost: (usize, usize),
    /// Where the last piece is.
    start: usize,
    end: usize,
}

/// The pieces of `term`, in their order; none if it is no compound. `is_part` says whether a
/// word may be a piece.
pub(crate) fn split<E>(
    term: &str,
    mut is_part: impl FnMut(&str) -> Result<bool, E>,
) -> Result<Vec<&str>, E> {
    let n = term.len();
    if !may_be_cut(term) {
        return Ok(Vec::new());
    }
    let mut reached: Vec<Option<Reached>> = vec![None; n + 1];
    for start in 0..=n - MIN_PART {
        let (n_parts, n_linking) = match reached[start] {
            Some(here) => here.cost,
            None if start == 0 => (0, 0),
            None => continue,
        };
        for end in start + MIN_PART..=n {
            let is_whole = start == 0 && end == n;
            if is_whole || (end < n && n - end < MIN_PART) || !is_part(&term[start..end])? {
                continue;
            }
            for link in LINKS {
                let next = end + link.len();
                let is_possible = if end == n {
                    link.is_empty()
                } else {
                    next + MIN_PART <= n && term[end..].starts_with(link)
                };
                if !is_possible {
                    continue;
                }
                let cost = (n_parts + 1, n_linking + link.len());
                if reached[next].is_none_or(|other| cost < other.cost) {
                    reached[next] = Some(Reached { cost, start, end });
                }
            }
        }
    }
    let mut parts = Vec::new();
    let mut at = n;
    while at > 0 {
        let Some(last) = reached[at] else {
            return Ok(Vec::new());
        };
        parts.push(&term[last.start..last.end]);
        at = last.start;
    }
    parts.reverse();
    Ok(parts)
}

/// Visits the pieces of `term`, and theirs in turn: what a document that holds the term is
/// found by.
pub(crate) fn for_each_part<E>(
    term: &str,
    is_part: &mut impl FnMut(&str) -> Result<bool, E>,
    visit: &mut impl FnMut(&str),
) -> Result<(), E> {
    for part in split(term, &mut *is_part)? {
        visit(part);
        for_each_part(part, is_part, visit)?;
    }
    Ok(())
}
