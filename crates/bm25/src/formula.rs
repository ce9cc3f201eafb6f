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
    idf * (tf / (k1 + tf))
}
