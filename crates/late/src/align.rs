//! Which token of a passage each token of a query counts.

use treffer_kernels::Isa;
use treffer_kernels::maxsim::{Nearest, Query};
use treffer_types::PassageId;

use crate::error::{Error, Owner};
use crate::index::LateIndex;
use crate::part::Part;
use crate::tokens::check_units;

/// For each token of a query the nearest of a passage and their cosine similarity.
pub type Alignment = Vec<Nearest>;

impl LateIndex {
    /// For each token of a query, given by its vectors, the nearest token of a passage by the vectors
    /// that are kept of it; the first of equally near ones. Nothing if the passage is not in the
    /// index. The similarities are those whose mean is the score, but for the rounding of the query.
    ///
    /// # Errors
    /// As [`query`](Self::query) and [`score_docs`](Self::score_docs).
    pub fn align(&self, query: &[f32], passage: PassageId) -> Result<Alignment, Error> {
        let Some((part, row)) = self.find(passage)? else {
            return Ok(Alignment::new());
        };
        let (_, stored, _) = part.stored(row)?;
        let mut values = Vec::new();
        stored.values(part.tokens.width(), &mut values);
        nearest(part, query, &values)
    }

    /// The same for the vectors of any text, as the model makes them: neither pooled nor rounded.
    ///
    /// # Errors
    /// As [`query`](Self::query), of both.
    pub fn align_text(&self, query: &[f32], text: &[f32]) -> Result<Alignment, Error> {
        let Some(part) = self.parts.first() else {
            return Ok(Alignment::new());
        };
        check_units(part.query_width(), Owner::Text, text)?;
        let projection = part.learned.projection.as_ref();
        let projected = projection.map(|projection| projection.apply(text));
        nearest(part, query, projected.as_deref().unwrap_or(text))
    }

    /// The vectors of a passage as they are kept, one after the other; `None` if it is not in the
    /// index. A projection makes them narrower than those of a query.
    ///
    /// # Errors
    /// As [`score_docs`](Self::score_docs).
    pub fn vectors_of(&self, passage: PassageId) -> Result<Option<Vec<f32>>, Error> {
        let Some((part, row)) = self.find(passage)? else {
            return Ok(None);
        };
        let mut values = Vec::new();
        part.stored(row)?.1.values(part.tokens.width(), &mut values);
        Ok(Some(values))
    }

    /// Number of vectors that are kept of a passage, `None` if it is not in the index.
    ///
    /// # Errors
    /// As [`score_docs`](Self::score_docs).
    pub fn tokens_of(&self, passage: PassageId) -> Result<Option<usize>, Error> {
        let found = self.find(passage)?;
        found.map(|(part, row)| Ok(part.stored(row)?.2)).transpose()
    }
}

fn nearest(part: &Part, query: &[f32], values: &[f32]) -> Result<Alignment, Error> {
    check_units(part.query_width(), Owner::Query, query)?;
    let projection = part.learned.projection.as_ref();
    let projected = projection.map(|projection| projection.apply(query));
    let query = projected.as_deref().unwrap_or(query);
    let isa = Isa::detect().unwrap_or(Isa::SCALAR);
    Ok(Query::for_floats(isa, query, part.tokens.width()).nearest(values))
}
