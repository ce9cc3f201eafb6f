//! Builds a folder: documents are analyzed on all threads and indexed by one, in bounded memory, as
//! one segment of tantivy's in order of arrival. For a language with compounds, the vocabulary is in
//! memory too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, NoMergePolicy};
use tantivy::store::Compressor;
use tantivy::{Index, IndexSettings, IndexWriter, SegmentReader, TantivyDocument};
use treffer_disk::{CHECKSUMS, SealRecord, create_dir_durably, seal};
use treffer_types::{DocId, Language};

use crate::analysis::Analysis;
use crate::batch::{Analyzed, Batch, Known, Raw};
use crate::bounds;
use crate::column::ColumnWriter;
use crate::config::{Analyzer, Bm25Config};
use crate::directory::lock_files;
use crate::error::Error;
use crate::guard::{backend, guard};
use crate::language_column::LanguageWriter;
use crate::layout::{BEGUN, Counted, DOC, Layout, RECORD, Record};
use crate::spool::Spool;
use crate::word_list::{self, COMPOUNDS, LISTED, PIECES};

/// Size of the buffer after which tantivy writes a segment, in bytes.
const BUFFER: usize = 64 << 20;

/// Builds a folder, which is an index of its own or a part of one, in an empty directory.
///
/// It is complete only when [`Bm25Writer::finish`] has returned: a directory left
/// behind by a writer that was dropped is refused by
/// [`Bm25Index::open`](crate::Bm25Index::open).
pub struct Bm25Writer {
    dir: PathBuf,
    config: Bm25Config,
    index: Index,
    writer: IndexWriter,
    layout: Layout,
    batch: Batch,
    /// For a language with compounds: documents wait until all words are known.
    spool: Option<Spool>,
    /// Of each field's lengths.
    lengths: Vec<ColumnWriter>,
    languages: LanguageWriter,
    /// Number of documents, those that wait included.
    n_docs: u32,
}

impl Bm25Writer {
    /// Begins an index in `dir`, which is created if it is missing.
    ///
    /// # Errors
    /// If `config` is not valid, if `dir` already holds an index, finished or not, or
    /// if it cannot be written.
    pub fn create(dir: &Path, config: &Bm25Config) -> Result<Self, Error> {
        config.validate()?;
        create_dir_durably(dir)?;
        if dir.join(CHECKSUMS).exists() || dir.join(BEGUN).exists() {
            return Err(Error::Exists {
                dir: dir.to_owned(),
            });
        }
        let layout = Layout::new(config.fields);
        let (index, writer) = guard("create", dir, || {
            begin(dir, &layout).map_err(backend("create", dir))
        })?;
        let column = |name| ColumnWriter::create(dir, name);
        let lengths = layout.fields.iter().map(|field| column(field.lengths));
        Ok(Bm25Writer {
            dir: dir.to_owned(),
            config: config.clone(),
            spool: (config.analyzer.has_compounds())
                .then(|| Spool::create(dir))
                .transpose()?,
            lengths: lengths.collect::<Result<_, _>>()?,
            index,
            writer,
            batch: Batch::new(Analysis::new(config), layout.fields.len()),
            layout,
            languages: LanguageWriter::create(dir)?,
            n_docs: 0,
        })
    }

    /// Adds a document, whose language is detected: it is analyzed with others later, so that an
    /// error may come with one of the next. Numbers are rows of this folder: 0, 1, 2 and so on.
    /// Title and text may be empty; a document without any term is never found, but counts as a
    /// document.
    ///
    /// # Errors
    /// [`Error::DocOrder`] if `doc` is not the next number, or if the index cannot be written.
    pub fn add(&mut self, doc: DocId, title: &str, text: &str) -> Result<(), Error> {
        self.enqueue(doc, Known::ToBeDetected, title, text)
    }

    /// As [`add`](Self::add), with a language that is known; `None` takes it as German and
    /// English. With an analyzer for one language it is only kept.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_in(
        &mut self,
        language: Option<Language>,
        doc: DocId,
        title: &str,
        text: &str,
    ) -> Result<(), Error> {
        self.enqueue(doc, Known::Yes(language), title, text)
    }

    fn enqueue(
        &mut self,
        doc: DocId,
        language: Known,
        title: &str,
        text: &str,
    ) -> Result<(), Error> {
        let next = DocId(self.n_docs);
        if doc != next {
            return Err(Error::DocOrder { doc, next });
        }
        self.n_docs += 1;
        let is_full = self.batch.push(Raw {
            doc,
            language,
            title: title.to_owned(),
            text: text.to_owned(),
        });
        if is_full {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Analyzes the documents that wait, and hands them on.
    fn write_batch(&mut self) -> Result<(), Error> {
        let documents = self.batch.take();
        for document in &documents {
            for (column, &length) in self.lengths.iter_mut().zip(&document.lengths) {
                column.push(length)?;
            }
            self.languages.push(document.language)?;
        }
        match &mut self.spool {
            Some(spool) => {
                let is_mixed = self.config.analyzer == Analyzer::Mixed;
                spool.push(&documents, |document| {
                    !is_mixed || document.language == Some(Language::German)
                })
            }
            None => {
                for document in documents {
                    let Analyzed { doc, fields, .. } = document;
                    write(&self.dir, &mut self.writer, &self.layout, doc, fields)?;
                }
                Ok(())
            }
        }
    }

    /// Adds words that compounds may be cut into besides those of the documents, as
    /// [`TextAnalysis::piece`](crate::TextAnalysis::piece) gives them. They become part of the
    /// folder, but no terms of documents that do not hold them. Whoever builds a folder of the
    /// documents of others passes on what
    /// [`Bm25Index::listed_pieces`](crate::Bm25Index::listed_pieces) gives of those.
    ///
    /// # Errors
    /// [`Error::Words`] if the analyzer cuts no compounds.
    pub fn add_pieces(&mut self, pieces: Vec<String>) -> Result<(), Error> {
        match &mut self.spool {
            Some(spool) => {
                spool.add_pieces(pieces);
                Ok(())
            }
            None if pieces.is_empty() => Ok(()),
            None => Err(Error::Words {
                analyzer: self.config.analyzer.to_string(),
            }),
        }
    }

    /// Makes words known that compounds may be cut into besides those of the documents:
    /// [`Bm25Index::pieces`](crate::Bm25Index::pieces) of the index that this folder will be a part
    /// of. Unlike [`add_pieces`](Self::add_pieces), they do not become part of the folder. With an
    /// analyzer that cuts no compounds there are none.
    ///
    /// # Errors
    /// [`Error::Words`] if there are words, but the analyzer cuts no compounds.
    pub fn know_pieces(&mut self, pieces: Vec<String>) -> Result<(), Error> {
        match &mut self.spool {
            Some(spool) => {
                spool.add_known(pieces);
                Ok(())
            }
            None if pieces.is_empty() => Ok(()),
            None => Err(Error::Words {
                analyzer: self.config.analyzer.to_string(),
            }),
        }
    }

    /// Completes the index, makes it durable and seals it.
    ///
    /// # Errors
    /// If the index cannot be written; it is then unusable.
    pub fn finish(mut self) -> Result<SealRecord, Error> {
        self.write_batch()?;
        let Bm25Writer {
            dir,
            config,
            index,
            mut writer,
            layout,
            spool,
            lengths,
            languages,
            n_docs,
            ..
        } = self;
        let (mut n_pieces, mut n_listed, mut n_compounds) = (None, None, None);
        if let Some(spool) = spool {
            let words = spool.drain(layout.fields.len(), |doc, fields| {
                write(&dir, &mut writer, &layout, doc, fields)
            })?;
            word_list::write(&dir, PIECES, &words.pieces)?;
            word_list::write(&dir, LISTED, &words.listed)?;
            word_list::write(&dir, COMPOUNDS, &words.compounds)?;
            n_pieces = Some(words.pieces.len() as u32);
            n_listed = Some(words.listed.len() as u32);
            n_compounds = Some(words.compounds.len() as u32);
        }
        guard("finish", &dir, || {
            complete(&index, writer).map_err(backend("finish", &dir))
        })?;
        let reader = guard("finish", &dir, || segment(&index, &dir, n_docs))?;
        drop(index);
        let mut n_terms = Vec::with_capacity(lengths.len());
        let mut of_fields = Vec::with_capacity(lengths.len());
        for (field, mut column) in layout.fields.iter().zip(lengths) {
            let lengths = column.read_back()?;
            n_terms.push(column.finish()?);
            of_fields.push(guard("finish", &dir, || {
                let reader = reader.as_ref();
                bounds::write(&dir, field.bounds, field.postings, reader, &lengths)
            })?);
        }
        drop(reader);
        let languages = languages.finish()?;
        let counted = Counted {
            n_docs,
            n_terms,
            bounds: of_fields,
            languages,
            n_pieces,
            n_listed,
            n_compounds,
        };
        Record::new(&config, counted).write(&dir)?;
        tidy(&dir)?;
        Ok(seal(&dir)?)
    }
}

/// Hands a document to tantivy: the terms of its fields.
fn write(
    dir: &Path,
    writer: &mut IndexWriter,
    layout: &Layout,
    doc: DocId,
    fields: Vec<String>,
) -> Result<(), Error> {
    let mut document = TantivyDocument::new();
    document.add_u64(layout.doc, u64::from(doc.0));
    if let Some(either) = layout.either {
        document.add_text(either, fields.concat());
    }
    for (field, terms) in layout.fields.iter().zip(fields) {
        document.add_text(field.postings, terms);
    }
    guard("write", dir, || {
        let added = writer.add_document(document);
        // The error of a dead worker thread is only available by joining it.
        let added = added.map_err(|killed| writer.prepare_commit().err().unwrap_or(killed));
        added.map_err(backend("write", dir))
    })?;
    Ok(())
}

/// Removes tantivy's lock files, and gives its files the permissions that new files have:
/// those that tantivy replaced by rename are readable only by their owner.
fn tidy(dir: &Path) -> Result<(), Error> {
    for name in lock_files() {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &path)(error));
            }
            _ => {}
        }
    }
    let ours = dir.join(RECORD);
    let permissions = fs::metadata(&ours)
        .map_err(io_error("look at", &ours))?
        .permissions();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        fs::set_permissions(&path, permissions.clone())
            .map_err(io_error("set the permissions of", &path))?;
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

fn begin(dir: &Path, layout: &Layout) -> tantivy::Result<(Index, IndexWriter)> {
    let settings = IndexSettings {
        // Nothing is stored, so there is nothing to compress.
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = Index::builder()
        .schema(layout.schema.clone())
        .settings(settings)
        .create_in_dir(dir)?;
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(BUFFER)
        .build();
    let writer = index.writer_with_options(options)?;
    // Merges while writing would put segments out of the order of arrival.
    writer.set_merge_policy(Box::new(NoMergePolicy));
    Ok((index, writer))
}

/// Commits and merges everything into one segment.
fn complete(index: &Index, mut writer: IndexWriter) -> tantivy::Result<()> {
    writer.commit()?;
    let segments = segments_in_order(index)?;
    if segments.len() > 1 {
        writer.merge(&segments).wait()?;
        writer.garbage_collect_files().wait()?;
    }
    writer.wait_merging_threads()
}

/// The one segment; none without documents. Columns and postings belong together only if tantivy
/// numbered the documents as they came.
fn segment(index: &Index, dir: &Path, n_docs: u32) -> Result<Option<SegmentReader>, Error> {
    let segments = index
        .searchable_segments()
        .map_err(backend("finish", dir))?;
    let damaged = |reason: String| Error::Damaged {
        dir: dir.to_owned(),
        reason,
    };
    let segment = match segments.as_slice() {
        [] if n_docs == 0 => return Ok(None),
        [segment] => segment,
        segments => {
            let n = segments.len();
            return Err(damaged(format!("it has {n} segments instead of one")));
        }
    };
    let reader = SegmentReader::open(segment).map_err(backend("finish", dir))?;
    if reader.max_doc() != n_docs {
        let n = reader.max_doc();
        return Err(damaged(format!("it has {n} documents instead of {n_docs}")));
    }
    let docs = reader.fast_fields().u64(DOC);
    let docs = docs.map_err(backend("finish", dir))?;
    for row in 0..n_docs {
        if docs.first(row) != Some(u64::from(row)) {
            return Err(damaged(format!("position {row} holds another document")));
        }
    }
    Ok(Some(reader))
}

/// tantivy lists segments in no particular order; documents ascend, so the first document of
/// each gives their order.
fn segments_in_order(index: &Index) -> tantivy::Result<Vec<SegmentId>> {
    let mut segments = Vec::new();
    for segment in index.searchable_segments()? {
        let docs = SegmentReader::open(&segment)?.fast_fields().u64(DOC)?;
        segments.push((docs.first(0), segment.id()));
    }
    segments.sort_unstable();
    Ok(segments.into_iter().map(|(_, id)| id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fields;
    use crate::index::Bm25Index;

    #[test]
    fn many_segments_become_one_in_order_of_arrival() {
        let config = Bm25Config {
            analyzer: Analyzer::Plain,
            fold_accents: None,
            negation: false,
            words: None,
            k1: 0.9,
            b: 0.4,
            fields: Fields::Weighted {
                title: 1.0,
                text: 1.0,
            },
        };
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Bm25Writer::create(dir.path(), &config).unwrap();
        for doc in 0..40 {
            writer.add(DocId(doc), "x", &format!("word{doc}")).unwrap();
            if doc % 3 == 0 {
                writer.write_batch().unwrap();
                // As tantivy does when its buffer is full.
                writer.writer.commit().unwrap();
            }
        }
        assert!(writer.index.searchable_segments().unwrap().len() > 10);
        writer.finish().unwrap();

        let index = Bm25Index::open_folder(dir.path(), &config).unwrap();
        let all: Vec<u32> = index
            .search("x", 40, None)
            .unwrap()
            .iter()
            .map(|hit| hit.0.0)
            .collect();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        assert_eq!(index.search("word17", 40, None).unwrap()[0].0, DocId(17));
    }
}
