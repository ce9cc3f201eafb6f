//! The first journey: corpus to index.
//!
//! A build works in a hidden folder beside the committed segment and is switched to
//! by one rename of the manifest, so that nothing committed is lost whatever
//! happens: an error, Ctrl-C, a full disk, a power cut.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use treffer_corpus::{Origin, Problem, ReadOptions, Reason, Record, read_documents};
use treffer_dense::DenseWriter;
use treffer_lexical::LexicalWriter;
use treffer_store::{Error as StoreError, Store, StoreWriter};
use treffer_types::{BoxError, DocId, Document, Embedder, PassageId, Progress};

use crate::config::{Blueprint, Config};
use crate::error::{Error, IoContext};
use crate::manifest::{self, FORMAT, LOCK, MANIFEST, Manifest, Models, SETTINGS, Segment};
use crate::models::{self, ModelSource};
use crate::settings_file::lock;

/// What to build and where from.
pub struct BuildRequest<'a> {
    /// The folder of the index; made if it is not there.
    pub dir: &'a Path,
    /// Files, folders, or `-` for standard input.
    pub inputs: &'a [PathBuf],
    /// How the inputs are read.
    pub reading: &'a ReadOptions,
    /// What the index is to be.
    pub config: &'a Config,
    /// Whether an index that is there already may be replaced.
    pub replace: bool,
    /// Whether the first bad record ends the build.
    pub strict: bool,
}

/// What a build did.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildReport {
    /// Documents in the index.
    pub documents: u32,
    /// Records that were skipped; each was reported.
    pub problems: u64,
    /// Documents longer than the bi-encoder reads.
    pub documents_cut: u32,
    /// Tokens that it did not read, over all documents.
    pub tokens_cut: u64,
    /// Size of the index in bytes.
    pub bytes: u64,
    /// Time by step, in order.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Documents encoded between two looks at the progress.
const ENCODED_AT_ONCE: usize = 64;

/// Builds an index and commits it.
///
/// Bad records are handed to `on_problem` and skipped, the rest is kept.
///
/// # Errors
/// If the folder holds an index and `replace` is not set, another process writes
/// it, a model cannot be had, nothing could be read, a file cannot be written,
/// `strict` is set and a record is bad, or `progress` says to stop. In every case
/// what was committed before is untouched.
pub fn build(
    request: &BuildRequest<'_>,
    source: &dyn ModelSource,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<BuildReport, Error> {
    let generation = check_target(request)?;
    let (blueprint, models, embedder) = load_models(request.config, source)?;
    let workplace = Workplace::create(request.dir, generation)?;

    let mut clock = StepClock::default();
    let reading = Reading {
        request,
        progress,
        on_problem,
    };
    let (documents, problems) = clock.time("read", || {
        let mut shelf = Shelf::create(&workplace.building, request.config)?;
        let counts = reading.run(&mut |document, origin| shelf.keep(document, origin))?;
        shelf.finish()?;
        Ok::<_, Error>(counts)
    })?;
    let mut cut = Cut::default();
    if let Some(embedder) = embedder {
        let writer = DenseEncoding {
            workplace: &workplace,
            blueprint: &blueprint,
            progress,
        };
        cut = clock.time("encode", || writer.encode(embedder.as_ref()))?;
    }
    let commit = Commit {
        request,
        workplace,
        generation,
        blueprint,
        models,
        documents,
    };
    let bytes = clock.time("commit", || commit.run())?;
    let Cut {
        documents: documents_cut,
        tokens: tokens_cut,
    } = cut;
    Ok(BuildReport {
        documents,
        problems,
        documents_cut,
        tokens_cut,
        bytes,
        steps: clock.steps,
    })
}

/// What a build would find in its inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Documents that it would index.
    pub documents: u32,
    /// Records that it would skip; each was reported.
    pub problems: u64,
}

/// Reads and checks what [`build`] would, and writes nothing. Loads no models.
///
/// # Errors
/// As [`build`], as far as the target folder and the inputs go.
pub fn survey(
    request: &BuildRequest<'_>,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Survey, Error> {
    check_target(request)?;
    let mut ids = HashSet::new();
    let mut keep = |document: &Document, origin: Origin| {
        Ok((!ids.insert(document.id.clone())).then(|| duplicate(document, origin)))
    };
    let (documents, problems) = Reading {
        request,
        progress,
        on_problem,
    }
    .run(&mut keep)?;
    Ok(Survey {
        documents,
        problems,
    })
}

/// The generation that the build will commit.
fn check_target(request: &BuildRequest<'_>) -> Result<u64, Error> {
    match Manifest::read(request.dir) {
        Ok(manifest) if !request.replace => Err(Error::IndexExists {
            path: request.dir.into(),
            documents: manifest.n_documents(),
        }),
        Ok(manifest) => Ok(manifest.generation + 1),
        Err(Error::NoIndex { .. }) => Ok(1),
        // A damaged or foreign-format index may be replaced, but only knowingly.
        Err(Error::Damaged { .. } | Error::Format { .. }) if request.replace => {
            Ok(next_free_generation(request.dir))
        }
        Err(error) => Err(error),
    }
}

fn next_free_generation(dir: &Path) -> u64 {
    (1..)
        .find(|generation| !dir.join(segment_name(*generation)).exists())
        .unwrap_or(u64::MAX)
}

fn segment_name(generation: u64) -> String {
    format!("segment-{generation}")
}

type Loaded = (Blueprint, Models, Option<Box<dyn Embedder>>);

/// Loads every model before any work is done, so that a missing one costs no time.
/// The cross-encoder is loaded for its fingerprint alone.
fn load_models(config: &Config, source: &dyn ModelSource) -> Result<Loaded, Error> {
    let mut blueprint = config.blueprint();
    let mut models = Models::default();
    let mut embedder = None;
    if let Some(dense) = &mut blueprint.dense {
        dense.model = models::absolute(&dense.model);
        let loaded = source
            .embedder(&dense.model, config.device)
            .map_err(|e| models::load_error(&dense.model, e))?;
        models.dense = Some(models::record_embedder(loaded.as_ref()));
        embedder = Some(loaded);
    }
    if let Some(cross) = &mut blueprint.cross {
        cross.model = models::absolute(&cross.model);
        let loaded = source
            .pair_scorer(&cross.model, config.device)
            .map_err(|e| models::load_error(&cross.model, e))?;
        models.cross = Some(models::record_scorer(loaded.as_ref()));
    }
    Ok((blueprint, models, embedder))
}

/// The folder being built in, and the lock that keeps other writers out. Dropping it
/// before the commit removes what was built.
struct Workplace {
    dir: PathBuf,
    building: PathBuf,
    made_dir: bool,
    committed: bool,
    lock: File,
}

impl Workplace {
    fn create(dir: &Path, generation: u64) -> Result<Self, Error> {
        let made_dir = !dir.exists();
        fs::create_dir_all(dir).at("create", dir)?;
        let lock = lock(dir)?;
        let building = dir.join(format!(".building-{generation}"));
        let workplace = Workplace {
            dir: dir.into(),
            building,
            made_dir,
            committed: false,
            lock,
        };
        // Whoever left one behind does not hold the lock, so it is nobody's.
        remove_if_there(&workplace.building)?;
        fs::create_dir(&workplace.building).at("create", &workplace.building)?;
        Ok(workplace)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.building.join(name)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next build cleans up.
        if !self.committed {
            let _ = fs::remove_dir_all(&self.building);
            if self.made_dir {
                let _ = fs::remove_file(self.dir.join(LOCK));
                let _ = fs::remove_dir(&self.dir);
            }
        }
        let _ = self.lock.unlock();
    }
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Io {
            action: "remove",
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// The first step: every record of every input, one at a time.
struct Reading<'a> {
    request: &'a BuildRequest<'a>,
    progress: &'a dyn Progress,
    on_problem: &'a mut dyn FnMut(&Problem),
}

impl Reading<'_> {
    /// Reads every input; `keep` takes a document or says what is wrong with it.
    /// Returns how many were kept and how many records were bad.
    fn run(self, keep: &mut Keep<'_>) -> Result<(u32, u64), Error> {
        let (mut documents, mut problems) = (0, 0);
        for input in self.request.inputs {
            let reader = read_documents(input, self.request.reading);
            let mut reader = reader.map_err(Error::Corpus)?;
            let step = format!("reading {}", input.display());
            self.progress.begin(&step, reader.bytes_total(), "bytes");
            let mut bytes = 0;
            while let Some(record) = reader.next() {
                stop_if_asked(self.progress)?;
                let problem = match record.map_err(Error::Corpus)? {
                    Record::Problem(problem) => Some(problem),
                    Record::Document { document, origin } => keep(&document, origin)?,
                };
                match problem {
                    None => documents += 1,
                    Some(problem) if self.request.strict => return Err(Error::Strict(problem)),
                    Some(problem) => {
                        problems += 1;
                        (self.on_problem)(&problem);
                    }
                }
                let now = reader.bytes_read();
                self.progress.advance(now.saturating_sub(bytes));
                bytes = now;
            }
            self.progress.end();
        }
        match documents {
            0 => Err(Error::EmptyCorpus { problems }),
            _ => Ok((documents, problems)),
        }
    }
}

type Keep<'a> = dyn FnMut(&Document, Origin) -> Result<Option<Problem>, Error> + 'a;

fn duplicate(document: &Document, origin: Origin) -> Problem {
    origin.problem(Reason::DuplicateId {
        id: document.id.clone(),
        first_line: None,
    })
}

/// Where the first step puts what it reads.
struct Shelf {
    dir: PathBuf,
    store: StoreWriter,
    lexical: LexicalWriter,
}

impl Shelf {
    fn create(building: &Path, config: &Config) -> Result<Self, Error> {
        let (store, lexical) = (building.join("store"), building.join("lexical"));
        Ok(Shelf {
            dir: building.into(),
            store: StoreWriter::create(&store).map_err(part("create", "store", &store))?,
            lexical: LexicalWriter::create(&lexical, &config.lexical).map_err(part(
                "create",
                "lexical part",
                &lexical,
            ))?,
        })
    }

    /// Keeps one document; a problem if its id is taken.
    fn keep(&mut self, document: &Document, origin: Origin) -> Result<Option<Problem>, Error> {
        let doc = match self.store.add(document) {
            Ok(doc) => doc,
            Err(StoreError::DuplicateId { .. }) => {
                return Ok(Some(duplicate(document, origin)));
            }
            Err(error @ (StoreError::TooLarge { .. } | StoreError::TooDeep { .. })) => {
                return Ok(Some(origin.problem(Reason::Refused(error.into()))));
            }
            Err(error) => return Err(part("write", "store", &self.dir)(error)),
        };
        self.lexical
            .add(doc, &document.title, &document.text)
            .map_err(part("write", "lexical part", &self.dir))?;
        Ok(None)
    }

    fn finish(self) -> Result<(), Error> {
        self.store
            .finish()
            .map_err(part("finish", "store", &self.dir))?;
        self.lexical
            .finish()
            .map_err(part("finish", "lexical part", &self.dir))
    }
}

/// What the bi-encoder could not read.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    documents: u32,
    tokens: u64,
}

/// The second step: every stored document through the bi-encoder into the graph.
struct DenseEncoding<'a> {
    workplace: &'a Workplace,
    blueprint: &'a Blueprint,
    progress: &'a dyn Progress,
}

impl DenseEncoding<'_> {
    fn encode(&self, embedder: &dyn Embedder) -> Result<Cut, Error> {
        let store_dir = self.workplace.part("store");
        let store = Store::open(&store_dir).map_err(part("open", "store", &store_dir))?;
        let dir = self.workplace.part("dense");
        let graph = &self
            .blueprint
            .dense
            .as_ref()
            .expect("there is a bi-encoder")
            .graph;
        let mut writer = DenseWriter::create(&dir, embedder.dimension(), graph).map_err(part(
            "create",
            "dense part",
            &dir,
        ))?;
        let mut cut = Cut::default();
        let n_docs = store.len() as u32;
        self.progress
            .begin("encoding", Some(n_docs.into()), "documents");
        for first in (0..n_docs).step_by(ENCODED_AT_ONCE) {
            let docs: Vec<DocId> = (first..n_docs.min(first + ENCODED_AT_ONCE as u32))
                .map(DocId)
                .collect();
            self.encode_some(embedder, &store, &docs, &mut writer, &mut cut)?;
            self.progress.advance(docs.len() as u64);
            stop_if_asked(self.progress)?;
        }
        self.progress.end();
        writer
            .finish(self.progress)
            .map_err(part("finish", "dense part", &dir))?;
        stop_if_asked(self.progress)?;
        Ok(cut)
    }

    fn encode_some(
        &self,
        embedder: &dyn Embedder,
        store: &Store,
        docs: &[DocId],
        writer: &mut DenseWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        let texts = docs
            .iter()
            .map(|doc| store.document(*doc).map(|document| document.full_text()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(part("read", "store", &self.workplace.building))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = embedder
            .embed_passages(&texts)
            .map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?;
        for (doc, embedding) in docs.iter().zip(embeddings) {
            cut.documents += u32::from(embedding.tokens_cut > 0);
            cut.tokens += u64::from(embedding.tokens_cut);
            writer
                .add(PassageId::whole(*doc), &embedding.vector)
                .map_err(part("write", "dense part", &self.workplace.building))?;
        }
        Ok(())
    }
}

/// The last step: names the segment, writes the manifest, removes what it replaces.
struct Commit<'a> {
    request: &'a BuildRequest<'a>,
    workplace: Workplace,
    generation: u64,
    blueprint: Blueprint,
    models: Models,
    documents: u32,
}

impl Commit<'_> {
    fn run(mut self) -> Result<u64, Error> {
        let dir = self.request.dir;
        let name = segment_name(self.generation);
        let segment = Segment::record(&self.workplace.building, &name, self.documents)?;
        let manifest = Manifest {
            format: FORMAT,
            written_by: concat!("treffer ", env!("CARGO_PKG_VERSION")).into(),
            generation: self.generation,
            blueprint: self.blueprint,
            models: self.models,
            segments: vec![segment],
        };
        let place = dir.join(&name);
        remove_if_there(&place)?; // left by a commit that died before its manifest
        fs::rename(&self.workplace.building, &place).at("rename", &self.workplace.building)?;
        manifest::sync_folder(dir)?;

        // A new index has no manifest yet, so its settings may come first; an index
        // being replaced keeps its own until the new manifest stands.
        let settings = self.request.config.settings().to_toml();
        let is_new = !dir.join(MANIFEST).exists();
        if is_new {
            manifest::write_durably(&dir.join(SETTINGS), settings.as_bytes())?;
        }
        if let Err(error) = manifest.write(dir) {
            let _ = fs::remove_dir_all(&place); // uncommitted; the error at hand matters more
            return Err(error);
        }
        self.workplace.committed = true;
        if !is_new {
            manifest::write_durably(&dir.join(SETTINGS), settings.as_bytes())?;
        }
        remove_other_segments(dir, &name);
        Ok(manifest.n_bytes())
    }
}

/// Removes what the manifest no longer names. A failure leaves files that nobody
/// reads and that the next build removes.
fn remove_other_segments(dir: &Path, keep: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with("segment-") || name.starts_with(".building-");
        if ours && name != keep {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

pub(crate) fn stop_if_asked(progress: &dyn Progress) -> Result<(), Error> {
    match progress.cancelled() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}

/// Names the part of the index in another crate's error.
pub(crate) fn part<E: Into<BoxError>>(
    action: &'static str,
    part: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Part {
        action,
        part,
        path,
        source: source.into(),
    }
}

#[derive(Default)]
struct StepClock {
    steps: Vec<(&'static str, Duration)>,
}

impl StepClock {
    fn time<T>(&mut self, step: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.steps.push((step, start.elapsed()));
        result
    }
}
