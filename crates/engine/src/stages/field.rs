//! A stage of a number or a date of the documents: see [`field_stages`](crate::field_stages).

use std::sync::Arc;

use treffer_columns::{Columns, Date};
use treffer_types::{BoxError, DocId, Evidence, Query, Score};

use super::{Capabilities, Found, Parameters, Stage, StageQuery};
use crate::data::IndexData;
use crate::error::Error;
use crate::field_stages::{FieldStage, Function, now};

/// What such a stage can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    retrieves: false,
    scores: true,
    reranks: false,
    matches_words: false,
    by_document: true,
};

/// Opens a stage; `fixed_now` is the time from which it counts, if that is not the time of the
/// search.
///
/// # Errors
/// What is wrong with its keys.
pub(crate) fn open(
    data: &IndexData,
    stage: &FieldStage,
    fixed_now: Option<Date>,
) -> Result<Arc<dyn Stage>, String> {
    let function = stage.function(&data.manifest().blueprint.fields)?;
    Ok(Arc::new(OpenStage {
        columns: Arc::clone(&data.columns),
        field: stage.field.clone(),
        function,
        fixed_now,
    }))
}

struct OpenStage {
    /// Of each segment.
    columns: Arc<Vec<Columns>>,
    field: String,
    function: Function,
    fixed_now: Option<Date>,
}

impl Stage for OpenStage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        _parameters: Parameters, // it retrieves nothing
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let now = self.fixed_now.unwrap_or_else(now);
        let now = now.microseconds() as f64 / 1e6;
        let begun = queries
            .iter()
            .map(|_| Box::new(Scoring { stage: self, now }) as Box<dyn StageQuery + 'a>);
        Ok(begun.collect())
    }
}

struct Scoring<'a> {
    stage: &'a OpenStage,
    now: f64,
}

impl StageQuery for Scoring<'_> {
    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let mut found = Vec::with_capacity(docs.len());
        for doc in docs {
            let value = self.stage.value(*doc)?;
            let Some(score) = self.stage.function.score(value, self.now) else {
                continue; // nothing is known of it
            };
            let score = Score::new(score as f32)
                .ok_or_else(|| format!("the score of document {} is {score}", doc.0))?;
            found.push(Found {
                doc: *doc,
                evidence: Evidence::whole(score),
            });
        }
        Ok(found)
    }
}

impl OpenStage {
    fn value(&self, doc: DocId) -> Result<Option<f64>, BoxError> {
        let mut first = 0;
        for columns in self.columns.iter() {
            let n = columns.len() as u32;
            if doc.0 - first < n {
                return Ok(columns.number(DocId(doc.0 - first), &self.field)?);
            }
            first += n;
        }
        Err(format!("there is no document {}", doc.0).into())
    }
}

/// The refusal of keys that do not fit the index.
pub(crate) fn refused(name: treffer_types::StageName, what: &str) -> Error {
    Error::Request(format!(
        "`field_stages.{name}` in the settings of the index cannot be used: {what}"
    ))
}
