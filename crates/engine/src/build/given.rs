//! Vectors that documents come with, in their records or in a file of their own, and whether a
//! configuration has a place for them.

use std::path::Path;

use treffer_corpus::{Reason, VectorFile};
use treffer_types::{Document, Embedder};

use crate::blueprint::{Blueprint, DenseConfig, NO_MODEL};
use crate::config::Config;
use crate::error::Error;
use crate::field_stages::check_fields;

/// The file, if one is named.
pub(super) fn open(path: Option<&Path>) -> Result<Option<VectorFile>, Error> {
    let opened = path.map(VectorFile::open).transpose();
    opened.map_err(Error::Corpus)
}

/// The configuration of an index from nothing, with what the file says of it. Fields may have been
/// found since it was read, so stages that score by them are checked here.
///
/// # Errors
/// If there is no place for its vectors, vectors have to be given and none are, or a stage scores
/// by a field that there is not.
pub(super) fn resolved(config: &Config, file: Option<&VectorFile>) -> Result<Config, Error> {
    let mut config = config.clone();
    let checked = check_fields(&config.field_stages, &config.fields);
    checked.map_err(Error::Request)?;
    match (&mut config.dense, file) {
        (None, None) => {}
        (Some(dense), None) => {
            if dense.model == NO_MODEL && dense.vectors.is_none() {
                return Err(Error::Request(
                    "`dense.model` is none, so documents have to come with vectors: give them in a file (--vectors), or have `dense.vectors` name the field that holds them".into(),
                ));
            }
        }
        (dense, Some(file)) => {
            let dense = place_for(dense.as_mut(), file)?;
            dense.from_file = true;
            if dense.model == NO_MODEL {
                dense.dimension.get_or_insert(file.dimension());
            }
        }
    }
    Ok(config)
}

/// Whether documents may be added with these vectors, or without any. The blueprint gets that
/// there are some.
///
/// # Errors
/// If not.
pub(super) fn check_added(
    blueprint: &mut Blueprint,
    file: Option<&VectorFile>,
) -> Result<(), Error> {
    let dense = blueprint.dense.as_mut();
    if let Some(file) = file {
        place_for(dense, file)?.from_file = true;
        return Ok(());
    }
    let needs = |dense: &DenseConfig| dense.model == NO_MODEL && dense.vectors.is_none();
    if dense.is_some_and(|dense| needs(dense)) {
        return Err(Error::Request(
            "the index has no bi-encoder, and its documents came with a file of vectors; give those of the new ones, too (--vectors)".into(),
        ));
    }
    Ok(())
}

fn place_for<'a>(
    dense: Option<&'a mut DenseConfig>,
    file: &VectorFile,
) -> Result<&'a mut DenseConfig, Error> {
    let path = file.path().display();
    let Some(dense) = dense else {
        return Err(Error::Request(format!(
            "the vectors in {path} have no place: there is no stage `dense`, which a section [dense] of the configuration makes when an index is built"
        )));
    };
    if let Some(field) = &dense.vectors {
        return Err(Error::Request(format!(
            "vectors are given twice: in {path}, and by `dense.vectors` in the field `{field}` of the records; leave one out"
        )));
    }
    Ok(dense)
}

/// Whether the vectors are as long as those of the index.
///
/// # Errors
/// If not.
pub(super) fn check_dimension(
    file: Option<&VectorFile>,
    embedder: Option<&dyn Embedder>,
) -> Result<(), Error> {
    let (Some(file), Some(embedder)) = (file, embedder) else {
        return Ok(());
    };
    let (found, expected) = (file.dimension(), embedder.dimension());
    if found == expected {
        return Ok(());
    }
    Err(Error::Request(format!(
        "the vectors in {} have {found} values, those of the index have {expected}",
        file.path().display()
    )))
}

/// The vector that a record brings among its metadata, as front matter does, and the document
/// without it; none if the configuration names no field, or the record does not have it.
pub(super) fn vector_in_metadata(
    document: &Document,
    dense: Option<&DenseConfig>,
) -> Result<Option<(Document, Vec<f32>)>, Reason> {
    let Some(field) = dense.and_then(|dense| dense.vectors.as_deref()) else {
        return Ok(None);
    };
    let Some(value) = document.metadata.get(field) else {
        return Ok(None);
    };
    let vector = treffer_corpus::vector(value)?;
    let mut document = document.clone();
    document.metadata.shift_remove(field);
    Ok(Some((document, vector)))
}

/// The vector of a record, if it has as many values as those of the index.
pub(super) fn of_dimension(
    vector: Option<Vec<f32>>,
    dimension: Option<usize>,
) -> Result<Option<Vec<f32>>, Reason> {
    if let (Some(vector), Some(expected)) = (&vector, dimension)
        && vector.len() != expected
    {
        let found = vector.len();
        let why = format!("it has {found} values, those of the index have {expected}");
        return Err(Reason::BadVector { why });
    }
    Ok(vector)
}

/// What is to be said of documents that no vector came with, where no model makes one.
pub(super) fn without_vector(documents: u32) -> Option<String> {
    match documents {
        0 => None,
        1 => Some("1 document without a vector is not in the stage `dense`".to_owned()),
        n => Some(format!(
            "{n} documents without a vector are not in the stage `dense`"
        )),
    }
}
