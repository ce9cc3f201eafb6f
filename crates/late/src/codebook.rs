//! Centroids of token vectors, and the levels of what is left of a vector without its centroid
//! (ColBERTv2: Santhanam et al. 2022, <https://arxiv.org/abs/2112.01488>).
//!
//! The file `codebook` is a prologue, the number of values of a token, of centroids and of levels
//! (u32 each), the unit (f32), the levels (four bytes, of which the first are used), zeros up to
//! byte 64, then the centroids in bytes.

use std::path::Path;
use std::sync::OnceLock;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};
use treffer_kernels::residual::Residuals;

use crate::config::WIDTHS;
use crate::error::{Error, damaged};
use crate::format::{START, VERSION, pad};
use crate::kmeans::{self, MOST, directions, nearest};

pub(crate) const CODEBOOK: &str = "codebook";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlcbk\n",
    version: VERSION,
};

/// Centroids for the square root of the number of tokens, as in ColBERTv2.
const FOR_ROOT: f64 = 16.0;
/// Greatest byte.
const MOST_CODE: f32 = 127.0;
/// Steps of the search for levels, and bins of their histogram for each unit.
const LLOYD_ROUNDS: usize = 50;
const BINS: f32 = 8.0;

/// Centroids and levels by which vectors are kept in few bits.
#[derive(Debug)]
pub struct Codebook {
    residuals: Residuals,
    /// What a value of 1 is in bytes.
    unit: f32,
    /// The centroids with length 1, made when a vector is first encoded.
    directions: OnceLock<Vec<f32>>,
}

impl PartialEq for Codebook {
    fn eq(&self, other: &Self) -> bool {
        self.residuals == other.residuals && self.unit == other.unit
    }
}

impl Codebook {
    /// Learns centroids from unit vectors of `width` values each, one after the other, for an index
    /// of about `tokens`, and `bits` (1 or 2) for each value of the residual: spherical k-means from
    /// vectors that are evenly spread over the sample, then the levels with the least squared error
    /// (Lloyd 1982). The same sample always gives the same codebook.
    ///
    /// # Errors
    /// [`Error::NoTokens`] without any vector, [`Error::Width`] if the width is not from 2 to 4096.
    pub fn learn(sample: &[f32], width: usize, bits: usize, tokens: u64) -> Result<Self, Error> {
        if !WIDTHS.contains(&width) {
            return Err(Error::Width { width });
        }
        let n = sample.len() / width;
        if n == 0 {
            return Err(Error::NoTokens);
        }
        let wanted = FOR_ROOT * (tokens as f64).sqrt();
        let count = 1 << kmeans::count(wanted, n).ilog2();
        let means = kmeans::means(sample, width, count);
        let greatest = sample.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let unit = MOST_CODE / greatest.max(f32::MIN_POSITIVE * MOST_CODE);
        let centroids: Vec<i8> = means.iter().map(|x| to_byte(x * unit)).collect();
        let mut codebook = Codebook {
            residuals: Residuals::new(width, centroids, &[0, 0]),
            unit,
            directions: OnceLock::new(),
        };
        let numbers = nearest(sample, codebook.directions(), width);
        let levels = codebook.learn_levels(sample, &numbers, bits);
        let centroids = codebook.residuals.centroids().to_vec();
        codebook.residuals = Residuals::new(width, centroids, &levels);
        Ok(codebook)
    }

    /// Bits for each value of a residual: 1 or 2.
    pub fn bits(&self) -> usize {
        self.residuals.levels().len().ilog2() as usize
    }

    /// Number of centroids.
    pub fn centroids(&self) -> usize {
        self.residuals.centroids().len() / self.width()
    }

    /// Values of each token.
    pub fn width(&self) -> usize {
        self.residuals.width()
    }

    /// What restores vectors.
    pub(crate) fn residuals(&self) -> &Residuals {
        &self.residuals
    }

    /// The centroids with length 1, one after the other.
    pub(crate) fn directions(&self) -> &[f32] {
        self.directions.get_or_init(|| {
            let values = self.residuals.centroids().iter();
            let values: Vec<f32> = values.map(|code| f32::from(*code)).collect();
            directions(&values, self.width())
        })
    }

    /// The number of the nearest centroid of each of some unit vectors, and their residuals.
    pub(crate) fn encode(&self, values: &[f32]) -> (Vec<u16>, Vec<u8>) {
        let (width, levels) = (self.width(), self.residuals.levels());
        let numbers = nearest(values, self.directions(), width);
        let mut packed = vec![0u8; numbers.len() * self.residuals.bytes()];
        let rows = packed.chunks_exact_mut(self.residuals.bytes());
        for ((row, vector), &number) in rows.zip(values.chunks_exact(width)).zip(&numbers) {
            for (at, residual) in self.residual(vector, number).enumerate() {
                let bit = at * self.bits();
                row[bit / 8] |= code_of(residual, levels) << (bit % 8);
            }
        }
        (numbers, packed)
    }

    /// What is left of a vector without its centroid, in bytes.
    fn residual(&self, vector: &[f32], number: u16) -> impl Iterator<Item = f32> {
        let start = usize::from(number) * self.width();
        let centroid = &self.residuals.centroids()[start..start + self.width()];
        let pairs = vector.iter().zip(centroid);
        pairs.map(|(value, code)| value * self.unit - f32::from(*code))
    }

    /// The levels with the least squared error, ascending.
    fn learn_levels(&self, sample: &[f32], numbers: &[u16], bits: usize) -> Vec<i8> {
        let reach = (2.0 * MOST_CODE * BINS) as i32;
        let mut histogram = vec![0u64; 2 * reach as usize + 1];
        for (vector, &number) in sample.chunks_exact(self.width()).zip(numbers) {
            for residual in self.residual(vector, number) {
                let bin = ((residual * BINS) as i32).clamp(-reach, reach) + reach;
                histogram[bin as usize] += 1;
            }
        }
        let bins = histogram.iter().enumerate();
        let bins: Vec<(f64, f64)> = bins
            .map(|(bin, n)| (f64::from(bin as i32 - reach) / f64::from(BINS), *n as f64))
            .collect();
        let n: f64 = bins.iter().map(|(_, n)| n).sum();
        let squares: f64 = bins.iter().map(|(x, n)| x * x * n).sum();
        let deviation = (squares / n.max(1.0)).sqrt();
        // Near those that are best for a normal distribution (Max 1960).
        let start: &[f64] = match bits {
            1 => &[-0.8, 0.8],
            _ => &[-1.5, -0.45, 0.45, 1.5],
        };
        let mut levels: Vec<f64> = start.iter().map(|level| level * deviation).collect();
        for _ in 0..LLOYD_ROUNDS {
            let mut sums = vec![(0.0, 0.0); levels.len()];
            for (x, n) in &bins {
                let nearer = |pair: &&[f64]| x * 2.0 > pair[0] + pair[1];
                let code = levels.windows(2).filter(nearer).count();
                sums[code].0 += x * n;
                sums[code].1 += n;
            }
            for (level, (sum, n)) in levels.iter_mut().zip(sums) {
                if n > 0.0 {
                    *level = sum / n;
                }
            }
        }
        levels
            .into_iter()
            .map(|level| to_byte(level as f32))
            .collect()
    }

    /// Writes `codebook`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(CODEBOOK))?;
        file.push(&PROLOGUE.to_bytes())?;
        let levels = self.residuals.levels();
        for number in [self.width(), self.centroids(), levels.len()] {
            file.push(&(number as u32).to_le_bytes())?;
        }
        file.push(&self.unit.to_le_bytes())?;
        let mut bytes = [0u8; 4];
        for (byte, level) in bytes.iter_mut().zip(levels) {
            *byte = level.cast_unsigned();
        }
        file.push(&bytes)?;
        pad(&mut file)?;
        let centroids = self.residuals.centroids().iter();
        let centroids: Vec<u8> = centroids.map(|code| code.cast_unsigned()).collect();
        file.push(&centroids)?;
        Ok(file.finish()?)
    }

    /// Reads `codebook` completely.
    pub(crate) fn read(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(CODEBOOK)?;
        PROLOGUE.check_file(&file)?;
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 3)?;
        let numbers: Vec<usize> = (0..3)
            .map(|at| Ok(head.get(at)? as usize))
            .collect::<Result<_, Error>>()?;
        let (width, count, n_levels) = (numbers[0], numbers[1], numbers[2]);
        let fits = WIDTHS.contains(&width) && (1..=MOST).contains(&count);
        if !fits || !matches!(n_levels, 2 | 4) || file.len() != START + width * count {
            let reason = format!(
                "its {} bytes are no {count} centroids of {width} values with {n_levels} levels",
                file.len()
            );
            return Err(damaged(file.path(), reason));
        }
        let after = Prologue::BYTES + 4 * numbers.len();
        let unit = Numbers::<f32>::new(file.clone(), after, 1)?.get(0)?;
        if !(unit.is_finite() && unit > 0.0) {
            return Err(damaged(file.path(), format!("its unit is {unit}")));
        }
        let levels = Numbers::<i8>::new(file.clone(), after + 4, n_levels)?;
        let levels = levels.slice(0..n_levels)?.to_vec();
        let centroids = Numbers::<i8>::new(file.clone(), START, width * count)?;
        let centroids = centroids.slice(0..width * count)?.to_vec();
        Ok(Codebook {
            residuals: Residuals::new(width, centroids, &levels),
            unit,
            directions: OnceLock::new(),
        })
    }
}

/// The code of the level that is nearest.
fn code_of(residual: f32, levels: &[i8]) -> u8 {
    let beyond = |pair: &&[i8]| 2.0 * residual > f32::from(pair[0]) + f32::from(pair[1]);
    levels.windows(2).filter(beyond).count() as u8
}

fn to_byte(value: f32) -> i8 {
    value.round_ties_even().clamp(-MOST_CODE, MOST_CODE) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::normalize;
    use treffer_kernels::{Isa, dot};

    /// Unit vectors around a few directions.
    fn sample(n: usize, width: usize, around: usize, spread: f32) -> Vec<f32> {
        let mut state = 77u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
        };
        let mut middles: Vec<f32> = (0..around * width).map(|_| next()).collect();
        middles.chunks_exact_mut(width).for_each(normalize);
        let mut values = Vec::new();
        for at in 0..n {
            let middle = &middles[at % around * width..][..width];
            values.extend(middle.iter().map(|x| x + spread * next()));
        }
        values.chunks_exact_mut(width).for_each(normalize);
        values
    }

    fn restored(codebook: &Codebook, values: &[f32]) -> Vec<f32> {
        let (numbers, packed) = codebook.encode(values);
        let (mut codes, mut scales) = (Vec::new(), Vec::new());
        let residuals = codebook.residuals();
        residuals.restore(Isa::SCALAR, &numbers, &packed, &mut codes, &mut scales);
        let width = codebook.width();
        let tokens = codes.chunks_exact(width).zip(&scales);
        tokens
            .flat_map(|(codes, scale)| codes.iter().map(move |code| f32::from(*code) * scale))
            .collect()
    }

    #[test]
    fn more_bits_and_more_centroids_are_nearer_to_the_vectors() {
        let (width, values) = (32, sample(2000, 32, 40, 0.1));
        let cosine = |bits, tokens| {
            let codebook = Codebook::learn(&values, width, bits, tokens).unwrap();
            let again = Codebook::learn(&values, width, bits, tokens).unwrap();
            assert_eq!(codebook, again);
            let restored = restored(&codebook, &values);
            let pairs = values.chunks_exact(width).zip(restored.chunks_exact(width));
            let sum: f32 = pairs.map(|(a, b)| dot(a, b)).sum();
            (codebook.centroids(), sum / 2000.0)
        };
        let [few, many, two] = [(1, 2), (1, 2000), (2, 2000)].map(|(bits, n)| cosine(bits, n));
        assert_eq!((few.0, many.0, two.0), (16, 64, 64));
        assert!(few.1 < many.1 && many.1 < two.1, "{few:?} {many:?} {two:?}");
        assert!(many.1 > 0.93 && two.1 > 0.98, "{many:?} {two:?}");
    }

    #[test]
    fn equal_vectors_are_kept_nearly_exactly_and_none_is_refused() {
        let values: Vec<f32> = [0.6, 0.8].repeat(40);
        let codebook = Codebook::learn(&values, 2, 1, 1000).unwrap();
        let found = restored(&codebook, &values[..2]);
        assert!(
            (found[0] - 0.6).abs() < 0.01 && (found[1] - 0.8).abs() < 0.01,
            "{found:?}"
        );
        assert!(matches!(
            Codebook::learn(&[], 2, 1, 5),
            Err(Error::NoTokens)
        ));
        assert!(matches!(
            Codebook::learn(&[1.0], 1, 1, 5),
            Err(Error::Width { width: 1 })
        ));
    }
}
