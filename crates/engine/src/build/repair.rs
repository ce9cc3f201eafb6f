//! Mends what can be made again from what is sound.
//!
//! Documents are the source of all other parts of a segment. An inverted index, columns and a
//! graph are made again from them; vectors are kept if they are sound, and otherwise encoded again,
//! which takes the bi-encoder. Damaged settings are replaced by those of the build. What documents
//! there are, and which of them are deleted, can be learned from nowhere else.
//!
//! Each part is made again on its own: what goes wrong with one is reported and leaves it as it is.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_bm25::Bm25Index;
use treffer_columns::ColumnWriter;
use treffer_dense::{DenseIndex, DenseWriter};
use treffer_disk::{SealRecord, sync_dir, write_durably};
use treffer_late::{LateIndex, LateWriter, Learned};
use treffer_store::Store;
use treffer_types::{Device, Document, Embedder, Progress};

use super::bm25_parts::{Known, RowsOf};
use super::commit::{Commit, Move, Workplace};
use super::documents::Words;
use super::encoding::Encoding;
use super::language::RecordLanguages;
use super::language_shift::LanguageShift;
use super::tokens::{self, TokenEncoding};
use super::update::load_late;
use super::vectors::{DenseEncoding, SameTexts, finish};
use crate::check::{Checked, Damage, check, error_chain};
use crate::deleted;
use crate::error::{Error, IoContext, part};
use crate::manifest::{Manifest, SETTINGS, Segment, part_of, parts};
use crate::models::{self, ModelSource};
use crate::settings_file::read_settings;

/// What was repaired, and what could not be.
#[derive(Debug)]
pub struct RepairReport {
    /// Parts and files that were made again.
    pub repaired: Vec<PathBuf>,
    /// The index as it is now, with what is damaged still.
    pub checked: Checked,
    /// Why parts are damaged still, what is lost of those that were made again, and what failed
    /// after the commit, which stands.
    pub warnings: Vec<String>,
}

/// Repairs the index in `dir` as far as that is possible. A sound index stays as it is. A part that
/// cannot be made again, because a model cannot be loaded or a file not be read or written, stays
/// damaged, and a warning says why.
///
/// # Errors
/// If there is no index, its manifest or the record of deleted documents is damaged, another
/// process is writing it, what was made again cannot be committed, or `progress` says to stop: the
/// index is then as it was.
pub fn repair(
    dir: &Path,
    source: &dyn ModelSource,
    device: Option<Device>,
    progress: &dyn Progress,
) -> Result<RepairReport, Error> {
    let (mut workplace, manifest) = Workplace::enter_index(dir)?;
    let mut report = RepairReport {
        repaired: Vec::new(),
        checked: check(dir)?,
        warnings: Vec::new(),
    };
    if report.checked.damage.is_empty() {
        return Ok(report);
    }
    if read_settings(dir, &manifest).is_err() {
        repair_settings(dir, &manifest)?;
        report.repaired.push(dir.join(SETTINGS));
    }
    let damaged = damaged_parts(dir, &manifest, &report.checked.damage);
    if !damaged.is_empty() {
        let repairing = Repairing {
            dir,
            manifest: &manifest,
            damaged: &damaged,
            source,
            device,
            progress,
        };
        repairing.run(&mut workplace, &mut report)?;
    }
    if !report.repaired.is_empty() {
        report.checked = check(dir)?;
    }
    Ok(report)
}

/// Puts the settings of the build in the place of those that cannot be read, which stay beside
/// them.
fn repair_settings(dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = dir.join(SETTINGS);
    let aside = dir.join(format!("{SETTINGS}.damaged"));
    if path.exists() {
        fs::rename(&path, &aside).at("rename", &path)?;
        sync_dir(dir)?;
    }
    Ok(write_durably(&path, manifest.settings.toml.as_bytes())?)
}

/// A part of a segment by the segment's place and the part's name.
type Place = (usize, &'static str);

/// The parts that are damaged and can be made again.
fn damaged_parts(dir: &Path, manifest: &Manifest, damage: &[Damage]) -> BTreeSet<Place> {
    let mut damaged = BTreeSet::new();
    for Damage { path, .. } in damage {
        for (at, segment) in manifest.segments.iter().enumerate() {
            let Ok(within) = path.strip_prefix(dir.join(&segment.name)) else {
                continue;
            };
            let folder = within.iter().next().and_then(|name| name.to_str());
            let known = [
                parts::BM25,
                parts::DENSE,
                parts::LATE,
                parts::COLUMNS,
                parts::STORE,
            ];
            let part = folder.and_then(|name| known.into_iter().find(|one| *one == part_of(name)));
            damaged.extend(part.map(|part| (at, part)));
        }
    }
    // Without its documents nothing of a segment can be made again.
    let is_lost = |at: usize| damaged.contains(&(at, parts::STORE));
    let mended = damaged.iter().filter(|(at, _)| !is_lost(*at));
    mended.copied().collect()
}

struct Repairing<'a> {
    dir: &'a Path,
    manifest: &'a Manifest,
    damaged: &'a BTreeSet<Place>,
    source: &'a dyn ModelSource,
    device: Option<Device>,
    progress: &'a dyn Progress,
}

/// What parts that were made again tell those that follow.
struct Made {
    /// What was learned for token vectors, as far as any segment still tells.
    learned: Option<Learned>,
    /// The new inverted indexes by the places of their segments, where they are built.
    bm25: HashMap<usize, PathBuf>,
}

impl Repairing<'_> {
    fn run(&self, workplace: &mut Workplace, report: &mut RepairReport) -> Result<(), Error> {
        let deleted = deleted::read(self.dir, self.manifest)?;
        let building = workplace.begin()?;
        let mut manifest = self.manifest.clone();
        let (mut moves, mut repaired) = (Vec::new(), Vec::new());
        let mut made = Made {
            learned: self.learned(),
            bm25: HashMap::new(),
        };
        // In order of names, so that an inverted index comes before what asks it for languages.
        for &(at, name) in self.damaged {
            let segment = &self.manifest.segments[at];
            let place = self.dir.join(&segment.name);
            let from = format!("{}-{name}", segment.name);
            let new = building.join(&from);
            let seal = match self.make((at, name), &new, &mut made, &mut report.warnings) {
                Ok(seal) => seal,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    let part = place.join(segment.part(name).unwrap_or(name));
                    report.warnings.push(format!(
                        "{} could not be made anew and stays damaged: {}",
                        part.display(),
                        error_chain(&error)
                    ));
                    continue;
                }
            };
            let generation = workplace.generation();
            let folder = manifest.segments[at].replace_part(name, generation, seal);
            repaired.push(place.join(&folder));
            moves.push(Move {
                from,
                to: vec![segment.name.clone(), folder],
            });
        }
        if moves.is_empty() {
            return Ok(());
        }
        let commit = Commit {
            manifest,
            deleted: &deleted,
            moves,
            writes_settings: false,
        };
        report.warnings.extend(workplace.commit(commit)?.warnings);
        report.repaired.extend(repaired);
        Ok(())
    }

    /// Makes a part again in the folder `dir`.
    fn make(
        &self,
        (at, name): Place,
        dir: &Path,
        made: &mut Made,
        warnings: &mut Vec<String>,
    ) -> Result<SealRecord, Error> {
        let segment = &self.manifest.segments[at];
        let folder = segment.folder(self.dir, parts::STORE)?;
        let store = Store::open_folder(&folder);
        let store = store.map_err(part("open", "store", &folder))?;
        match name {
            parts::BM25 => {
                let seal = self.bm25(at, &store, dir, warnings)?;
                made.bm25.insert(at, dir.to_owned());
                Ok(seal)
            }
            parts::COLUMNS => self.columns(&store, dir),
            parts::LATE => self.late(segment, &store, dir, &mut made.learned),
            _ => {
                let bm25 = match made.bm25.get(&at) {
                    Some(new) => new.clone(),
                    None => segment.folder(self.dir, parts::BM25)?,
                };
                self.dense(segment, &store, &bm25, dir)
            }
        }
    }

    /// The inverted index of a segment. Languages are those that records name, and detected
    /// otherwise.
    fn bm25(
        &self,
        at: usize,
        store: &Store,
        dir: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<SealRecord, Error> {
        let blueprint = &self.manifest.blueprint;
        let mut words = Words::default();
        // Words of a list: those of this part, and of the others.
        let (mut own, mut of_others) = (None, Vec::new());
        for (other, segment) in self.manifest.segments.iter().enumerate() {
            // Another damaged one is made again as well, with what is known of it then.
            let Some(index) = self.readable_bm25(segment) else {
                continue;
            };
            let listed = index.listed_pieces().ok();
            if other == at {
                own = listed;
                continue;
            }
            of_others.extend(listed.into_iter().flatten());
            words.known.extend(index.pieces().into_iter().flatten());
        }
        if own.is_none() && of_others.is_empty() && blueprint.bm25.words.is_some() {
            warnings.push(format!(
                "the words of the list that {} was built with (`bm25.words`) can be read nowhere any more, so compounds are cut into words of documents alone; index the corpus again with --replace to have the list back",
                self.manifest.segments[at].name
            ));
        }
        words.own = own.unwrap_or(of_others);
        let languages = RecordLanguages::new(&blueprint.language);
        let rows = RowsOf {
            store,
            blueprint,
            progress: self.progress,
        };
        rows.write(dir, words, &mut |document: &Document, _| {
            Ok(languages
                .named(document)
                .map_or(Known::Nothing, Known::Language))
        })
    }

    /// The inverted index that was committed, if it can be opened. What is read of it is verified.
    fn readable_bm25(&self, segment: &Segment) -> Option<Bm25Index> {
        let folder = segment.folder(self.dir, parts::BM25).ok()?;
        let index = Bm25Index::open_folder(&folder, &self.manifest.blueprint.bm25).ok()?;
        is_of(segment, &index.records()).then_some(index)
    }

    /// The columns of a segment. Values of the wrong type were reported when they were added.
    fn columns(&self, store: &Store, dir: &Path) -> Result<SealRecord, Error> {
        let failed = || part("write", "columns", dir);
        let writer = ColumnWriter::create(dir, &self.manifest.blueprint.fields);
        let mut writer = writer.map_err(failed())?;
        for doc in store.live_docs() {
            let document = store.document(doc);
            let document = document.map_err(part("read", "store", dir))?;
            writer.push(&document).map_err(failed())?;
        }
        writer.finish().map_err(failed())
    }

    /// The vectors of a segment and their graph: copied, if only the graph is damaged, otherwise
    /// encoded again. The folder `bm25` tells the languages of documents.
    ///
    /// # Errors
    /// If they are lost, because records may have brought them; or if a model cannot be had or a
    /// file cannot be written.
    fn dense(
        &self,
        segment: &Segment,
        store: &Store,
        bm25: &Path,
        dir: &Path,
    ) -> Result<SealRecord, Error> {
        let Some(dense) = &self.manifest.blueprint.dense else {
            return Err(Error::Request("this index has no dense stage".into()));
        };
        let old = segment.folder(self.dir, parts::DENSE)?;
        let failed = || part("write", "dense part", dir);
        let sound = DenseIndex::open_vectors(&old);
        if let Some(old) = sound.filter(|old| is_of(segment, &old.records()))
            && let Some(dimension) = old.dimension()
        {
            let writer = DenseWriter::create(dir, dimension, &dense.graph, dense.storage);
            let mut writer = writer.map_err(failed())?;
            writer
                .copy_from(&old, |passage| passage)
                .map_err(failed())?;
            return finish(writer, dir, self.progress);
        }
        if dense.has_given_vectors() {
            return Err(Error::Request(
                "its vectors came with the documents and are kept nowhere else; index the corpus again with --replace, or restore the folder from a copy".into(),
            ));
        }
        let embedder = self.embedder()?;
        let shift = match dense.language_shift {
            0.0 => None,
            factor => {
                let shift = LanguageShift::measure(embedder.as_ref(), factor);
                Some(shift.map_err(|source| Error::Model {
                    action: "run",
                    name: embedder.spec().name.clone(),
                    source,
                })?)
            }
        };
        let dense = DenseEncoding {
            dir,
            bm25,
            blueprint: &self.manifest.blueprint,
            dense,
            embedder: embedder.as_ref(),
            shift: shift.as_ref(),
            same_texts: &SameTexts {
                docs: &HashMap::new(),
                index: None,
            },
            given: &HashMap::new(),
            vectors: None,
        };
        let encoded = self.encoding(store, Some(dense), None).encode()?;
        Ok(encoded.dense.expect("it was asked for"))
    }

    /// What was learned for token vectors, as far as any segment still tells.
    fn learned(&self) -> Option<Learned> {
        let segments = self.manifest.segments.iter();
        let mut folders = segments.filter_map(|segment| segment.folder(self.dir, parts::LATE).ok());
        folders.find_map(|folder| Some(LateIndex::open_folder(&folder).ok()?.learned()))
    }

    /// The token vectors of a segment: copied, if only their lists are damaged, otherwise encoded
    /// again. If nothing tells what was learned, the first segment that is made again learns it.
    fn late(
        &self,
        segment: &Segment,
        store: &Store,
        dir: &Path,
        learned: &mut Option<Learned>,
    ) -> Result<SealRecord, Error> {
        let old = segment.folder(self.dir, parts::LATE)?;
        let sound = LateIndex::open_vectors(&old);
        let sound = sound.filter(|old| is_of(segment, &old.records()));
        if let (Some(late), Some(old)) = (&self.manifest.blueprint.late, sound)
            && let Some(width) = old.width()
        {
            let failed = || part("write", "late part", dir);
            let writer = LateWriter::create(dir, width, &late.compression, old.learned());
            let mut writer = writer.map_err(failed())?;
            writer
                .copy_from(&old, |passage| passage)
                .map_err(failed())?;
            return tokens::finish(writer, dir, self.progress);
        }
        let device = self.device()?;
        let model = load_late(self.manifest, device, self.source)?;
        let (Some(late), Some(model)) = (&self.manifest.blueprint.late, model) else {
            return Err(Error::Request("this index has no late stage".into()));
        };
        let late = TokenEncoding {
            dir,
            late,
            model: model.as_ref(),
            same_texts: &HashMap::new(),
            index: None,
            learned: learned.clone(),
            progress: self.progress,
        };
        let encoded = self.encoding(store, None, Some(late)).encode()?;
        let made = LateIndex::open_folder(dir).map_err(part("open", "late part", dir))?;
        *learned = Some(made.learned());
        Ok(encoded.late.expect("it was asked for"))
    }

    fn encoding<'b>(
        &'b self,
        store: &'b Store,
        dense: Option<DenseEncoding<'b>>,
        late: Option<TokenEncoding<'b>>,
    ) -> Encoding<'b> {
        Encoding {
            store,
            store_dir: self.dir,
            dense,
            late,
            progress: self.progress,
        }
    }

    /// Where models run.
    fn device(&self) -> Result<Device, Error> {
        match self.device {
            Some(device) => Ok(device),
            None => Ok(read_settings(self.dir, self.manifest)?.settings.device),
        }
    }

    fn embedder(&self) -> Result<Arc<dyn Embedder>, Error> {
        let (Some(dense), Some(record)) =
            (&self.manifest.blueprint.dense, &self.manifest.models.dense)
        else {
            return Err(Error::Request("this index has no dense stage".into()));
        };
        let loaded = models::embedder(self.source, dense, self.device()?)?;
        record.check(&models::record_embedder(loaded.as_ref()))?;
        Ok(loaded)
    }
}

/// Whether these are the seals of parts of the segment that were committed.
fn is_of(segment: &Segment, records: &[SealRecord]) -> bool {
    let mut records = records.iter();
    records.all(|record| segment.parts.values().any(|seal| seal == record))
}
