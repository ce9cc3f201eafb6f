//! Scripts that are written without blanks between words.

use unicode_normalization::char::is_combining_mark;

/// Longest base letter with its marks. Texts of nothing but marks are cut there.
const MAX_LETTER_BYTES: usize = 64;

/// Whether `c` belongs to one: Han, Kana, Hangul (whose blanks stand between phrases), Bopomofo,
/// Yi, Thai, Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham, Javanese and Balinese.
pub(crate) fn has_no_blanks(c: char) -> bool {
    c >= '\u{E01}'
        && matches!(
            c,
            '\u{E01}'..='\u{E3A}'
                | '\u{E40}'..='\u{E4E}'
                | '\u{E81}'..='\u{ECF}'
                | '\u{EDC}'..='\u{EDF}'
                | '\u{1000}'..='\u{103F}'
                | '\u{1050}'..='\u{108F}'
                | '\u{109A}'..='\u{109F}'
                | '\u{1100}'..='\u{11FF}'
                | '\u{1780}'..='\u{17D3}'
                | '\u{17D7}'
                | '\u{17DC}'..='\u{17DD}'
                | '\u{1950}'..='\u{19CF}'
                | '\u{1A20}'..='\u{1A7F}'
                | '\u{1B00}'..='\u{1B4F}'
                | '\u{2E80}'..='\u{2FDF}'
                | '\u{3005}'..='\u{3007}'
                | '\u{3021}'..='\u{302F}'
                | '\u{3031}'..='\u{3035}'
                | '\u{3038}'..='\u{303C}'
                | '\u{3041}'..='\u{309F}'
                | '\u{30A1}'..='\u{30FA}'
                | '\u{30FC}'..='\u{318E}'
                | '\u{31A0}'..='\u{31BF}'
                | '\u{31F0}'..='\u{31FF}'
                | '\u{3400}'..='\u{4DBF}'
                | '\u{4E00}'..='\u{A4CF}'
                | '\u{A960}'..='\u{A97F}'
                | '\u{A980}'..='\u{A9C0}'
                | '\u{AA60}'..='\u{AA7F}'
                | '\u{AC00}'..='\u{D7FF}'
                | '\u{F900}'..='\u{FAFF}'
                | '\u{1AFF0}'..='\u{1B16F}'
                | '\u{20000}'..='\u{3FFFF}'
        )
}

/// The letters of a text, each with the marks that follow it.
pub(crate) fn letters_with_marks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        chars.next()?;
        let end = chars
            .find(|&(i, c)| !is_combining_mark(c) || i >= MAX_LETTER_BYTES)
            .map_or(rest.len(), |(i, _)| i);
        let (letter, after) = rest.split_at(end);
        rest = after;
        Some(letter)
    })
}
