//! What a disk holds after a power cut, as far as POSIX promises anything.
//!
//! A file's content lasts once the file is synced, and the names in a folder last once the folder
//! is. What was not waited for may be there or not, each file and each name by itself: names may
//! be lost, new ones may be there without content or with a part of it, and what was removed may
//! be back. So the trees of one moment are the durable one with any of the later changes. Not all
//! subsets are tried but none, all, each alone, all but each, and some at random.
//!
//! Files are known by their inodes, which are held open, so that no number is used twice.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use treffer_disk::failpoint::Operation;
use treffer_testkit::Random;

type Inode = u64;
type Content = Rc<Vec<u8>>;

/// Folders with their names, and files with their contents.
#[derive(Clone, Default)]
struct Tree {
    folders: BTreeMap<Inode, BTreeMap<String, Inode>>,
    files: BTreeMap<Inode, Content>,
}

/// Watches a folder while it is written.
#[derive(Clone)]
pub(crate) struct Recorder(Rc<RefCell<State>>);

struct State {
    root: PathBuf,
    root_inode: Inode,
    /// What was durable at first is durable later, as far as it is not written over.
    durable: Tree,
    moments: Vec<Moment>,
    /// One of each content.
    contents: HashSet<Content>,
    open: HashMap<Inode, File>,
}

/// The disk before an operation.
pub(crate) struct Moment {
    pub(crate) operation: String,
    root: Inode,
    durable: Tree,
    visible: Tree,
}

impl Recorder {
    /// Everything below `root` is durable.
    pub(crate) fn new(root: &Path) -> Self {
        let mut state = State {
            root: root.to_owned(),
            root_inode: fs::metadata(root).unwrap().ino(),
            durable: Tree::default(),
            moments: Vec::new(),
            contents: HashSet::new(),
            open: HashMap::new(),
        };
        state.durable = state.read();
        Recorder(Rc::new(RefCell::new(state)))
    }

    /// Called before each operation.
    pub(crate) fn look(&self, operation: Operation, path: &Path) {
        if matches!(operation, Operation::Read | Operation::Map) {
            return;
        }
        let mut state = self.0.borrow_mut();
        let name = path.strip_prefix(&state.root).unwrap_or(path);
        let operation_text = format!("{operation:?} {}", name.display());
        state.record(operation_text);
        // As it was before: what the operation is sure to wait for.
        let visible = state.moments.last().unwrap().visible.clone();
        let inode = || fs::metadata(path).unwrap().ino();
        match operation {
            Operation::Sync => {
                let inode = inode();
                let content = Rc::clone(&visible.files[&inode]);
                state.durable.files.insert(inode, content);
            }
            Operation::SyncDir => {
                let inode = inode();
                let names = visible.folders[&inode].clone();
                state.durable.folders.insert(inode, names);
            }
            _ => {}
        }
    }

    /// The moments, the last of which is the end.
    pub(crate) fn finish(self) -> Vec<Moment> {
        let mut state = self.0.borrow_mut();
        state.record("the end".into());
        std::mem::take(&mut state.moments)
    }
}

impl State {
    fn record(&mut self, operation: String) {
        let visible = self.read();
        self.moments.push(Moment {
            operation,
            root: self.root_inode,
            durable: self.durable.clone(),
            visible,
        });
    }

    fn read(&mut self) -> Tree {
        let mut tree = Tree::default();
        let root = self.root.clone();
        self.read_folder(&root, &mut tree);
        tree
    }

    fn read_folder(&mut self, path: &Path, tree: &mut Tree) -> Inode {
        let folder = self.hold(path);
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                names.insert(name, self.read_folder(&path, tree));
                continue;
            }
            // tantivy's threads remove files of their own meanwhile.
            let (Ok(content), Some(inode)) = (fs::read(&path), self.hold_if_there(&path)) else {
                continue;
            };
            let content = Rc::new(content);
            let content = match self.contents.get(&content) {
                Some(known) => Rc::clone(known),
                None => {
                    self.contents.insert(Rc::clone(&content));
                    content
                }
            };
            tree.files.insert(inode, content);
            names.insert(name, inode);
        }
        tree.folders.insert(folder, names);
        folder
    }

    fn hold(&mut self, path: &Path) -> Inode {
        self.hold_if_there(path).unwrap()
    }

    /// Holds a file open, so that its number is not used again.
    fn hold_if_there(&mut self, path: &Path) -> Option<Inode> {
        let file = File::open(path).ok()?;
        let inode = file.metadata().ok()?.ino();
        self.open.entry(inode).or_insert(file);
        Some(inode)
    }
}

/// What became of contents that nobody waited for.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    Empty,
    Half,
    Zeros,
    Whole,
}

const UNSYNCED: [Unsynced; 4] = [
    Unsynced::Empty,
    Unsynced::Half,
    Unsynced::Zeros,
    Unsynced::Whole,
];

/// A name in a folder that changed since the folder was synced.
type Pending = (Inode, String);

impl Moment {
    /// The trees that the disk may hold: first what is durable, then what is visible.
    pub(crate) fn survivors(&self, seed: u64) -> Vec<Survivor> {
        let pending = self.pending();
        let all: BTreeSet<Pending> = pending.iter().cloned().collect();
        let none = BTreeSet::new();
        let mut survivors = vec![
            self.tree(&none, Unsynced::Empty),
            self.tree(&all, Unsynced::Whole),
        ];
        survivors.extend(UNSYNCED.map(|unsynced| self.tree(&all, unsynced)));
        survivors.extend(UNSYNCED.map(|unsynced| self.tree(&none, unsynced)));
        for one in &pending {
            let alone = BTreeSet::from([one.clone()]);
            let mut others = all.clone();
            others.remove(one);
            for unsynced in [Unsynced::Empty, Unsynced::Whole] {
                survivors.push(self.tree(&alone, unsynced));
                survivors.push(self.tree(&others, unsynced));
            }
        }
        let mut random = Random::new(seed);
        for unsynced in UNSYNCED {
            let some = pending.iter().filter(|_| random.below(2) == 0);
            let some = some.cloned().collect();
            survivors.push(self.tree(&some, unsynced));
        }
        survivors
    }

    fn pending(&self) -> Vec<Pending> {
        let none = BTreeMap::new();
        let folders: BTreeSet<Inode> = [&self.durable, &self.visible]
            .iter()
            .flat_map(|tree| tree.folders.keys().copied())
            .collect();
        let mut pending = Vec::new();
        for folder in folders {
            let durable = self.durable.folders.get(&folder).unwrap_or(&none);
            let visible = self.visible.folders.get(&folder).unwrap_or(&none);
            let names: BTreeSet<&String> = durable.keys().chain(visible.keys()).collect();
            let changed = names
                .into_iter()
                .filter(|name| durable.get(*name) != visible.get(*name));
            pending.extend(changed.map(|name| (folder, name.clone())));
        }
        pending
    }

    fn tree(&self, applied: &BTreeSet<Pending>, unsynced: Unsynced) -> Survivor {
        let mut survivor = Survivor {
            what: format!("with {unsynced:?} files and {applied:?}"),
            entries: BTreeMap::new(),
        };
        self.fill(&mut survivor, self.root, Path::new(""), applied, unsynced);
        survivor
    }

    fn fill(
        &self,
        survivor: &mut Survivor,
        folder: Inode,
        path: &Path,
        applied: &BTreeSet<Pending>,
        unsynced: Unsynced,
    ) {
        let mut names = self
            .durable
            .folders
            .get(&folder)
            .cloned()
            .unwrap_or_default();
        for (_, name) in applied.iter().filter(|(of, _)| *of == folder) {
            let visible = self.visible.folders.get(&folder);
            match visible.and_then(|names| names.get(name)) {
                Some(inode) => drop(names.insert(name.clone(), *inode)),
                None => drop(names.remove(name)),
            }
        }
        for (name, inode) in names {
            let path = path.join(name);
            let is_file =
                self.durable.files.contains_key(&inode) || self.visible.files.contains_key(&inode);
            if is_file {
                let content = self.content(inode, unsynced);
                survivor.entries.insert(path, Some(content));
            } else {
                survivor.entries.insert(path.clone(), None);
                self.fill(survivor, inode, &path, applied, unsynced);
            }
        }
    }

    fn content(&self, inode: Inode, unsynced: Unsynced) -> Content {
        let durable = self.durable.files.get(&inode);
        let Some(visible) = self.visible.files.get(&inode) else {
            // It was removed, so it is as it was.
            return durable.cloned().unwrap_or_default();
        };
        if durable == Some(visible) {
            return Rc::clone(visible);
        }
        match unsynced {
            Unsynced::Empty => durable.cloned().unwrap_or_default(),
            Unsynced::Half => Rc::new(visible[..visible.len() / 2].to_vec()),
            Unsynced::Zeros => Rc::new(vec![0; visible.len()]),
            Unsynced::Whole => Rc::clone(visible),
        }
    }
}

/// Files and folders that a disk may hold.
pub(crate) struct Survivor {
    pub(crate) what: String,
    /// By path; a folder has no content.
    entries: BTreeMap<PathBuf, Option<Content>>,
}

impl Survivor {
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.entries.hash(&mut hasher);
        hasher.finish()
    }

    /// Writes the tree into a folder that is there.
    pub(crate) fn write(&self, root: &Path) {
        for (path, content) in &self.entries {
            let path = root.join(path);
            match content {
                None => fs::create_dir(path).unwrap(),
                Some(content) => fs::write(path, content.as_slice()).unwrap(),
            }
        }
    }
}
