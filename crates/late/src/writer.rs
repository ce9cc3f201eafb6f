//! Writes token vectors, passage by passage.

use std::path::{Path, PathBuf};

use treffer_disk::{SealRecord, create_dir_durably, is_sealed, seal};
use treffer_types::{PassageId, Progress};

use crate::config::Compression;
use crate::error::{Error, Owner};
use crate::format::MOST_TOKENS;
use crate::index::LateIndex;
use crate::learned::Learned;
use crate::listing;
use crate::part::{LatePart, Part};
use crate::passages::{self, Row};
use crate::pooling::pooled;
use crate::retrieve::LISTS_FROM;
use crate::tokens::{Form, Kept, Stored, TokenWriter, check_units};

/// Writes an index of token vectors. Nothing can be opened until [`finish`](Self::finish) has
/// returned.
///
/// Vectors are written as they come; 12 bytes a passage are held in memory.
#[derive(Debug)]
pub struct LateWriter {
    dir: PathBuf,
    /// Values of each token that is added.
    width: usize,
    compression: Compression,
    learned: Learned,
    tokens: TokenWriter,
    rows: Vec<Row>,
    n_tokens: u64,
    lists_from: usize,
}

impl LateWriter {
    /// Begins an index in `dir`, which is created if it is not there, of tokens of `width` values
    /// each. A compression to fewer values takes a projection, and one to residuals a codebook.
    ///
    /// # Errors
    /// If the compression or the width (2 to 4096) is out of range, if the projection or the codebook
    /// is for others, if `dir` holds an index already, or if it cannot be created.
    pub fn create(
        dir: &Path,
        width: usize,
        compression: &Compression,
        learned: Learned,
    ) -> Result<Self, Error> {
        compression.validate_for(width)?;
        let kept = compression.dimension.unwrap_or(width);
        let projection = learned.projection.as_ref();
        let (from, to) = projection.map_or((width, width), |one| (one.from(), one.to()));
        if (from, to) != (width, kept) {
            return Err(Error::OtherProjection {
                from,
                to,
                width,
                kept,
            });
        }
        Form::of(compression.storage, kept, learned.codebook.as_deref())?;
        create_dir_durably(dir)?;
        if is_sealed(dir)? {
            return Err(Error::Exists {
                path: dir.to_owned(),
            });
        }
        if let Some(projection) = &learned.projection {
            projection.write(dir)?;
        }
        // Without residuals, one would only be in the way of a comparison with other parts.
        let codebook = learned.codebook.clone();
        let codebook = codebook.filter(|_| compression.storage.residual_bits().is_some());
        if let Some(codebook) = &codebook {
            codebook.write(dir)?;
        }
        Ok(LateWriter {
            dir: dir.to_owned(),
            width,
            compression: *compression,
            learned: Learned {
                codebook,
                ..learned
            },
            tokens: TokenWriter::create(dir, kept, compression.storage)?,
            rows: Vec::new(),
            n_tokens: 0,
            lists_from: LISTS_FROM,
        })
    }

    /// Sets the number of passages from which on there are lists for retrieval; 512 unless it is
    /// set. An index of fewer is scanned.
    pub fn lists_from(mut self, passages: usize) -> Self {
        self.lists_from = passages;
        self
    }

    /// Adds the vectors of a passage's tokens, one after the other. Passages come in increasing
    /// order, each once; a document may have any number of them.
    ///
    /// # Errors
    /// If the passage is not after the last one, if it has no tokens, if a vector has another
    /// width, is not finite or not of length 1 (its square within 0.002), if the index is full, or
    /// if a file cannot be written.
    pub fn add(&mut self, passage: PassageId, vectors: &[f32]) -> Result<(), Error> {
        self.check_passage(passage)?;
        check_units(self.width, Owner::Passage(passage), vectors)?;
        let Compression { storage, pool, .. } = self.compression;
        let mut vectors = std::borrow::Cow::Borrowed(vectors);
        if pool > 1 {
            vectors = pooled(&vectors, self.width, pool).into();
        }
        let mut kept = self.width;
        if let Some(projection) = &self.learned.projection {
            vectors = projection.apply(&vectors).into();
            kept = projection.to();
        }
        // Borrowed from what is borrowed here too.
        let codebook = self.learned.codebook.clone();
        let form = Form::of(storage, kept, codebook.as_deref())?;
        let kept_vectors = Kept::of(&vectors, kept, form);
        self.push(passage, vectors.len() / kept, kept_vectors.stored())
    }

    fn check_passage(&self, passage: PassageId) -> Result<(), Error> {
        match self.rows.last() {
            Some(&(last, _)) if passage <= last => Err(Error::Order { passage, last }),
            _ => Ok(()),
        }
    }

    fn push(&mut self, passage: PassageId, n: usize, stored: Stored<'_>) -> Result<(), Error> {
        let end = self.n_tokens + n as u64;
        if end > MOST_TOKENS || self.rows.len() as u64 == MOST_TOKENS {
            return Err(Error::Full { most: MOST_TOKENS });
        }
        self.tokens.push(stored)?;
        self.n_tokens = end;
        self.rows.push((passage, end as u32));
        Ok(())
    }

    /// Adds the vectors of all passages of an index whose documents are not deleted, each under
    /// the passage that `renumber` gives for its old one, bit for bit. Returns how many passages
    /// there were.
    ///
    /// # Errors
    /// [`Error::Mixed`] if the index keeps vectors in another form by another projection or other centroids,
    /// [`Error::Damaged`] if it is not as it was written, or as [`add`](Self::add); passages before
    /// the one at fault were added then.
    pub fn copy_from(
        &mut self,
        index: &LateIndex,
        mut renumber: impl FnMut(PassageId) -> PassageId,
    ) -> Result<usize, Error> {
        self.check_form(index)?;
        let before = self.rows.len();
        for part in &index.parts {
            part.for_each_live(None, &mut |row| {
                let (passage, stored, n) = part.stored(row)?;
                let passage = renumber(passage);
                self.check_passage(passage)?;
                self.push(passage, n, stored)
            })?;
        }
        Ok(self.rows.len() - before)
    }

    /// Adds the vectors of one passage of an index under another, bit for bit; whether the index
    /// has it.
    ///
    /// # Errors
    /// As [`copy_from`](Self::copy_from).
    pub fn copy(
        &mut self,
        index: &LateIndex,
        old: PassageId,
        passage: PassageId,
    ) -> Result<bool, Error> {
        self.check_form(index)?;
        self.check_passage(passage)?;
        let Some((part, row)) = index.find(old)? else {
            return Ok(false);
        };
        let (_, stored, n) = part.stored(row)?;
        self.push(passage, n, stored)?;
        Ok(true)
    }

    fn check_form(&self, index: &LateIndex) -> Result<(), Error> {
        let Some(part) = index.parts.first() else {
            return Ok(());
        };
        let kept = self.compression.dimension.unwrap_or(self.width);
        let what = part.difference(kept, self.compression.storage, &self.learned);
        match what {
            None => Ok(()),
            Some(what) => Err(Error::Mixed {
                path: self.dir.clone(),
                first: part.sealed.dir().to_owned(),
                what,
            }),
        }
    }

    /// Writes the rest, lists for retrieval included, and seals it; the seal comes last, after all
    /// the rest is on disk. Reports one step, in passages, if there are lists to make.
    ///
    /// # Errors
    /// If a file cannot be written, or [`Error::Cancelled`] if `progress` says so. The directory
    /// then holds no index, or one without lists.
    pub fn finish(self, progress: &dyn Progress) -> Result<SealRecord, Error> {
        self.tokens.finish()?;
        passages::write(&self.dir, &self.rows)?;
        // Lists are made from what can be read, and so is sealed.
        let record = seal(&self.dir)?;
        if self.rows.is_empty() || self.rows.len() < self.lists_from {
            return Ok(record);
        }
        let part = Part::without_lists(&LatePart {
            dir: &self.dir,
            first_doc: 0,
            deleted: None,
        })?;
        listing::write(&self.dir, &part, progress)?;
        Ok(seal(&self.dir)?)
    }
}
