//! The arithmetic of BM25 and BM25F, in double precision; see the crate's documentation
//! for the formulas and papers. Every score of this crate is computed here.

/// Inverse document frequency, `ln(1 + (N - df + 0.5) / (df + 0.5))`: above 0 even for a
/// term that occurs in every document.
pub(crate) fn idf(n_docs: u32, df: u32) -> f64 {
    let (n_docs, df) = (f64::from(n_docs), f64::from(df));
    (1.0 + (n_docs - df + 0.5) / (df + 0.5)).ln()
}

/// Length normalization of one field, `1 - b + b * length / average`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LengthNorm {
    constant: f64,
    per_token: f64,
}

impl LengthNorm {
    /// `average` is the mean length over all documents; 0 if no document has a term.
    pub(crate) fn new(b: f64, average: f64) -> Self {
        LengthNorm {
            constant: 1.0 - b,
            per_token: if average > 0.0 { b / average } else { 0.0 },
        }
    }

    /// The norm of a field of `length` tokens.
    pub(crate) fn of(self, length: u32) -> f64 {
        self.constant + self.per_token * f64::from(length)
    }
}

/// A field's part of the normalized term frequency, `weight * tf / norm`.
pub(crate) fn normalized_tf(weight: f64, tf: u32, norm: f64) -> f64 {
    weight * f64::from(tf) / norm
}

/// `idf * tf / (k1 + tf)` with `idf` already multiplied by the term's frequency in the query:
/// grows with `tf`, never above `idf`.
pub(crate) fn saturated(idf: f64, k1: f64, tf: f64) -> f64 {
    idf * saturation(k1, tf)
}

/// `tf / (k1 + tf)`, from 0 to 1.
pub(crate) fn saturation(k1: f64, tf: f64) -> f64 {
    tf / (k1 + tf)
}

/// The saturation of small frequencies in short fields, computed beforehand: two divisions are most
/// of the work of a posting.
#[derive(Debug)]
pub(crate) struct Saturation {
    /// By frequency, then length.
    table: Box<[f64; Self::TFS * Self::LENGTHS]>,
}

impl Saturation {
    /// Frequencies and lengths below these are in the table, which stays in the first-level cache.
    const TFS: usize = 4;
    const LENGTHS: usize = 256;

    pub(crate) fn new(k1: f64, weight: f64, norm: LengthNorm) -> Self {
        let mut table = Box::new([0.0; Self::TFS * Self::LENGTHS]);
        for (tf, row) in (0..).zip(table.chunks_exact_mut(Self::LENGTHS)) {
            for (length, share) in (0..).zip(row) {
                *share = saturation(k1, normalized_tf(weight, tf, norm.of(length)));
            }
        }
        Saturation { table }
    }

    /// `None` if it is to be computed.
    #[inline]
    pub(crate) fn get(&self, tf: u32, length: u32) -> Option<f64> {
        let is_there = (tf as usize) < Self::TFS && (length as usize) < Self::LENGTHS;
        is_there.then(|| self.table[tf as usize * Self::LENGTHS + length as usize])
    }
}
