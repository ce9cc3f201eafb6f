//! Numbers and texts for people, the same on a page as on a terminal.

use std::time::Duration;

use treffer_api::TokenMatch;

/// A whole number in groups of three, as in 1 276.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// "1 document", "2 documents".
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// "1 query", "2 queries".
pub fn count_queries(number: usize) -> String {
    let noun = if number == 1 { "query" } else { "queries" };
    format!("{} {noun}", grouped(number as u64))
}

/// The start of a text on one line without control characters, at most `width` characters.
pub fn one_line(text: &str, width: usize) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().filter(|c| !c.is_control()));
        if words.chars().count() > width {
            let kept: String = words.chars().take(width.saturating_sub(3)).collect();
            return format!("{}...", kept.trim_end());
        }
    }
    words
}

/// Which token of a passage late interaction found nearest to each token of the query, as in
/// "quiet = silent 0.81, fridge = refrigerator 0.77": the first 24, without those that the model
/// adds to the query. `None` if there are none.
pub fn token_matches(alignment: &[TokenMatch]) -> Option<String> {
    let of_query: Vec<&TokenMatch> = alignment
        .iter()
        .filter(|one| one.query_place.is_some())
        .collect();
    if of_query.is_empty() {
        return None;
    }
    let (named, rest) = of_query.split_at(of_query.len().min(MAX_TOKENS));
    let token = |one: &&TokenMatch| {
        let tokens = (one_line(&one.query_token, 30), one_line(&one.token, 30));
        format!("{} = {} {:.2}", tokens.0, tokens.1, one.similarity)
    };
    let mut parts: Vec<String> = named.iter().map(token).collect();
    if !rest.is_empty() {
        parts.push(format!("{} more", rest.len()));
    }
    Some(parts.join(", "))
}

/// Tokens of a query that are shown with their nearest ones.
const MAX_TOKENS: usize = 24;

/// The nearest-rank percentile of times, for `percent` in 1..=100; zero if there are none.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_one_line_of_characters() {
        assert_eq!(one_line("ein\n  zwei\tdrei", 40), "ein zwei drei");
        assert_eq!(one_line("Kühlschränke überall im Haus", 12), "Kühlschrä...");
        assert_eq!(one_line("a\u{0}b", 10), "ab");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1276), "1 276");
        assert_eq!(grouped(138468), "138 468");
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count_queries(1000), "1 000 queries");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times: Vec<Duration> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(10));
        assert_eq!(percentile(&times, 95), Duration::from_millis(19));
        assert_eq!(percentile(&times[..1], 95), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
