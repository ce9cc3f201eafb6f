//! Step 1: one spelling for characters that differ in appearance only.
//!
//! Unicode's NFKC with full case folding: ligatures, full and half width, super- and subscripts,
//! `İ`, final sigma, `ß`. Invisible characters are removed, apostrophes and hyphens unified, and
//! accents folded where that is asked for. What is different text must stay different, so that
//! digits of another height (`10²`) and fractions (`2½`) do not run into the digits before them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// What becomes of accents on Latin and Greek letters. Those of other scripts are letters of
/// their own (`й`, `が`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accents {
    /// `é` and `e` are two letters.
    Kept,
    /// `é` is `e`, and `ä` is `a`.
    Folded,
    /// `é` is `e`, but `ä`, `ö` and `ü` are letters of their own.
    FoldedExceptUmlauts,
}

/// Stands between characters that must not run together. Ends a word.
const BREAK: char = '^';

/// Appends the normal form of `text` to `out`.
pub(super) fn normalize(text: &str, accents: Accents, out: &mut String) {
    // Blanks end every context that the steps below look at.
    for chunk in text.split_inclusive(|c: char| c.is_ascii_whitespace()) {
        if chunk.is_ascii() {
            let start = out.len();
            out.push_str(chunk);
            out[start..].make_ascii_lowercase();
        } else if chunk.chars().all(|c| c.is_ascii() || is_latin_1_letter(c)) {
            chunk.chars().for_each(|c| push_latin_1(c, accents, out));
        } else {
            normalize_any(chunk, accents, out);
        }
    }
}

fn is_latin_1_letter(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{FF}') && !matches!(c, '×' | '÷')
}

/// What the long way makes of ASCII and the letters of Latin-1: most words of most texts.
fn push_latin_1(c: char, accents: Accents, out: &mut String) {
    match c {
        'ß' => out.push_str("ss"),
        '\u{C0}'..='\u{DE}' => push_folded(char::from(c as u8 + 0x20), accents, out),
        '\u{DF}'..='\u{FF}' => push_folded(c, accents, out),
        _ => out.push(c.to_ascii_lowercase()),
    }
}

fn normalize_any(chunk: &str, accents: Accents, out: &mut String) {
    // Folding can undo NFKC and the reverse; the second round reaches what stays the same.
    let once = without_dots(prepared(chunk).nfkc().flat_map(case_folded)).nfkc();
    let mut last = None;
    for c in once.flat_map(case_folded).nfkc() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2BC}' => out.push('\''),
            '\u{2010}' => out.push('-'),
            _ if accents != Accents::Kept && is_accent(c) && last.is_some_and(takes_accents) => {
                continue;
            }
            _ => push_folded(c, accents, out),
        }
        last = Some(c);
    }
}

/// Unicode's full case folding, from the mappings that the standard library has: characters
/// that share a capital are one (`ß`, `ẞ` and `ss`; `σ` and `ς`), `ı` and `i` among them.
fn case_folded(c: char) -> impl Iterator<Item = char> {
    let capitals = c.to_lowercase().flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase)
}

/// `chars` without the second dot of an `i`, of which `İ` becomes one.
fn without_dots(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut last = None;
    chars.filter(move |&c| {
        let is_dot = c == '\u{307}' && last == Some('i');
        if !is_dot {
            last = Some(c);
        }
        !is_dot
    })
}

/// `chunk` without invisible characters, and with marks where NFKC would let different things
/// run together.
fn prepared(chunk: &str) -> impl Iterator<Item = char> {
    let mut before = None;
    let mut chars = chunk.chars().filter(|&c| !is_invisible(c)).peekable();
    let mut pending = None;
    std::iter::from_fn(move || {
        if let Some(c) = pending.take() {
            return Some(c);
        }
        let c = chars.next()?;
        let height = Height::of(c);
        let runs_together = height.is_some() && before.is_some() && height != before;
        let is_fraction = height == Some(Height::Fraction) && before.is_some();
        let between_digits = before == Some(Height::Digit)
            && chars.peek().copied().and_then(Height::of) == Some(Height::Digit);
        before = height;
        let c = match c {
            // These decompose to letters: `Norvik™` is not `norviktm`.
            '™' | '℠' => BREAK,
            '″' => '"',
            // Blanks that group digits.
            '\u{A0}' | '\u{2009}' | '\u{202F}' if between_digits => '\'',
            _ => c,
        };
        if runs_together || is_fraction {
            pending = Some(c);
            return Some(BREAK);
        }
        Some(c)
    })
}

/// Where a digit stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Height {
    Digit,
    /// As exponents and marks of footnotes.
    Superscript,
    /// As in formulas.
    Subscript,
    /// In a circle or parentheses.
    Enclosed,
    /// `½`.
    Fraction,
}

impl Height {
    fn of(c: char) -> Option<Self> {
        Some(match c {
            '0'..='9' | '０'..='９' => Height::Digit,
            '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' => Height::Superscript,
            '₀'..='₉' => Height::Subscript,
            '①'..='⒛' | '⓪' | '㉑'..='㉟' | '㊱'..='㊿' => Height::Enclosed,
            '¼'..='¾' | '⅐'..='⅟' | '↉' => Height::Fraction,
            _ => return None,
        })
    }
}

/// The characters that Unicode calls default-ignorable: soft hyphen, joiners, marks of
/// direction, byte order mark, variation selectors, fillers, tags. The set does not change:
/// it includes the code points set aside for more of them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Pushes a folded, composed character, without its accents if they are folded.
fn push_folded(c: char, accents: Accents, out: &mut String) {
    let is_kept = match accents {
        Accents::Kept => true,
        Accents::FoldedExceptUmlauts => matches!(c, 'ä' | 'ö' | 'ü'),
        Accents::Folded => false,
    };
    if is_kept || c.is_ascii() || !takes_accents(c) {
        out.push(c);
        return;
    }
    match c {
        'æ' => out.push_str("ae"),
        'œ' => out.push_str("oe"),
        'þ' => out.push_str("th"),
        'ø' => out.push('o'),
        'đ' | 'ð' => out.push('d'),
        'ħ' => out.push('h'),
        'ł' => out.push('l'),
        'ŧ' => out.push('t'),
        _ => decompose_canonical(c, |part| {
            if part == c || part.is_ascii() {
                out.push(part);
            } else if !is_accent(part) {
                // As of `ǣ`, which is `æ` with an accent.
                push_folded(part, accents, out);
            }
        }),
    }
}

/// Latin and Greek letters.
fn takes_accents(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (matches!(c, '\u{C0}'..='\u{24F}' | '\u{370}'..='\u{3FF}' | '\u{1E00}'..='\u{1FFF}')
            && c.is_alphabetic())
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}') && is_combining_mark(c)
}
