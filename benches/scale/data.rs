//! The documents, vectors and queries of the benchmark, each made from its number alone.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use treffer_testkit::Random;

use super::Result;

pub(crate) const DIMENSION: usize = 384;
/// Values of the field `r`, which are drawn at random: 0 up to before this.
pub(crate) const VALUES: u64 = 10_000;
const WORDS: usize = 200_000;
const WORDS_OF_DOCUMENT: usize = 30;
/// Documents that share the center of their vectors.
const OF_CENTER: u64 = 400;

/// What is written of a document besides id and text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) vector: bool,
    /// The fields `r` and `center`, which filters ask for.
    pub(crate) fields: bool,
}

/// One of `n` documents.
pub(crate) struct Generated {
    pub(crate) text: String,
    pub(crate) vector: Vec<f32>,
    pub(crate) center: u64,
    pub(crate) r: u64,
}

/// Number of centers of the vectors of `n` documents.
pub(crate) fn centers(n: u64) -> u64 {
    n.div_ceil(OF_CENTER)
}

/// Documents `d0`, `d1`, ...: those numbered below `n` have another text than later versions.
pub(crate) fn write_corpus(path: &Path, n: u64, numbers: Range<u64>, parts: Parts) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let version = u64::from(numbers.start > 0);
    for number in numbers {
        let Generated {
            text,
            vector,
            center,
            r,
        } = document(n, number, version);
        write!(out, r#"{{"_id": "d{number}", "text": "{text}""#)?;
        if parts.fields {
            write!(out, r#", "r": {r}, "center": {center}"#)?;
        }
        if parts.vector {
            let values: Vec<String> = vector.iter().map(|value| format!("{value:.4}")).collect();
            write!(out, r#", "vector": [{}]"#, values.join(","))?;
        }
        writeln!(out, "}}")?;
    }
    Ok(out.flush()?)
}

/// One of `n` documents, in its first version or a later one.
pub(crate) fn document(n: u64, number: u64, version: u64) -> Generated {
    let mut random = Random::new(number + (version << 40));
    let words: Vec<String> = (0..WORDS_OF_DOCUMENT)
        .map(|_| word(zipf(&mut random)))
        .collect();
    let center = random.below(centers(n));
    Generated {
        text: words.join(" "),
        vector: vector(center, &mut random),
        center,
        r: random.below(VALUES),
    }
}

/// A query of `n` documents: three words, each of at least one document in a hundred, and a vector
/// near a center.
pub(crate) fn query(n: u64, nth: u64) -> (String, Vec<f32>) {
    let mut random = Random::new(7_000_000 + nth);
    let words: Vec<String> = (0..3)
        .map(|_| word(1 + random.below(300) as usize))
        .collect();
    let center = random.below(centers(n));
    (words.join(" "), vector(center, &mut random))
}

/// Writes a vector, of length 1.
pub(crate) fn write_vector(out: &mut impl Write, values: &[f32]) -> Result<()> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    for value in values {
        out.write_all(&(value / norm).to_le_bytes())?;
    }
    Ok(())
}

/// A rank whose probability falls as one over the rank.
fn zipf(random: &mut Random) -> usize {
    let rank = (WORDS as f64).powf(random.unit());
    (rank as usize).min(WORDS) - 1
}

/// A word of letters for each rank.
fn word(mut rank: usize) -> String {
    let mut word = String::from("w");
    loop {
        word.push((b'a' + (rank % 26) as u8) as char);
        rank /= 26;
        if rank == 0 {
            return word;
        }
    }
}

/// The center of this number.
pub(crate) fn center_of(center: u64) -> impl Iterator<Item = f64> {
    let mut random = Random::new(9_000_000_000 + center);
    (0..DIMENSION).map(move |_| gauss(&mut random))
}

/// A vector near the center of this number.
fn vector(center: u64, random: &mut Random) -> Vec<f32> {
    center_of(center)
        .map(|value| (value + 0.7 * gauss(random)) as f32)
        .collect()
}

/// The sum of four uniform numbers, near enough to a normal one.
fn gauss(random: &mut Random) -> f64 {
    (0..4).map(|_| random.unit() - 0.5).sum::<f64>() * 1.73
}

/// The number of a document, by its id.
pub(crate) fn number_of(id: &str) -> Result<u32> {
    Ok(id.trim_start_matches('d').parse()?)
}
