//! Makes an operation on the file system fail, for tests. Compiled only with the feature
//! `failpoints`.
//!
//! A [`Scope`] counts the operations of its own thread and lets one of them fail; other
//! threads notice nothing. First [`Scope::observe`] what an action does, then let each of
//! these operations fail in turn:
//!
//! ```
//! # #[cfg(feature = "failpoints")] {
//! use treffer_disk::failpoint::{Fault, Operation, Scope};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("file");
//! let scope = Scope::fail(Operation::Sync, 0, Fault::Error(std::io::ErrorKind::StorageFull));
//! assert!(treffer_disk::write_durably(&path, b"text").is_err());
//! drop(scope);
//! assert!(!path.exists());
//! # }
//! ```
//!
//! [`Scope::watch`] calls a test before each operation, with its path: so a test sees the files as
//! they are at each moment, and which of them were waited for.
//!
//! What other programs' code writes (tantivy's files) passes no failpoint; it does when it is read
//! and synced to be sealed.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

/// A kind of operation on the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Creating a file or folder, or opening one to be written.
    Create,
    /// Writing bytes to a file.
    Write,
    /// Waiting until a file is on disk.
    Sync,
    /// Renaming a file or folder.
    Rename,
    /// Waiting until the names in a folder are on disk.
    SyncDir,
    /// Removing a file or folder.
    Remove,
    /// Taking a lock.
    Lock,
    /// Opening a file and reading from it.
    Read,
    /// Mapping a file into memory.
    Map,
}

/// What happens instead of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an error of this kind, and so does every later operation of the kind.
    Error(io::ErrorKind),
    /// It fails with an error of this kind, and everything later goes well.
    Once(io::ErrorKind),
    /// A write takes this many bytes at most, and the next one finds the disk full. Of any
    /// operation that is not a write, the same as a full disk.
    Short(usize),
}

#[derive(Default)]
struct State {
    performed: Vec<Operation>,
    /// The operation that is to fail, how many of its kind go well before, and how.
    fault: Option<(Operation, usize, Fault)>,
    look: Option<Look>,
}

/// Is shown each operation before it is performed.
type Look = Box<dyn FnMut(Operation, &Path)>;

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Watches the operations of this thread until it is dropped. Scopes do not nest: a new one
/// ends the one before.
#[must_use]
pub struct Scope {
    /// A scope belongs to its thread.
    thread: PhantomData<*const ()>,
}

impl Scope {
    /// Lets operation number `nth` (from 0) of a kind fail.
    pub fn fail(operation: Operation, nth: usize, fault: Fault) -> Self {
        Self::begin(State {
            performed: Vec::new(),
            fault: Some((operation, nth, fault)),
            look: None,
        })
    }

    /// Lets nothing fail, and remembers what was done.
    pub fn observe() -> Self {
        Self::begin(State::default())
    }

    /// Lets nothing fail, and calls `look` before each operation with its path: of a rename, the
    /// old one. What `look` itself does with this crate is not shown to it.
    pub fn watch(look: impl FnMut(Operation, &Path) + 'static) -> Self {
        Self::begin(State {
            look: Some(Box::new(look)),
            ..State::default()
        })
    }

    fn begin(state: State) -> Self {
        STATE.with_borrow_mut(|slot| *slot = Some(state));
        Scope {
            thread: PhantomData,
        }
    }

    /// The operations so far, those that failed included.
    pub fn performed(&self) -> Vec<Operation> {
        STATE.with_borrow(|slot| {
            slot.as_ref()
                .map_or_else(Vec::new, |state| state.performed.clone())
        })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        STATE.with_borrow_mut(|slot| *slot = None);
    }
}

/// Passes one operation, or fails in its place.
pub(crate) fn reach(operation: Operation, path: &Path) -> io::Result<()> {
    match due(operation, path) {
        None => Ok(()),
        Some(Fault::Error(kind) | Fault::Once(kind)) => Err(kind.into()),
        Some(Fault::Short(_)) => Err(io::ErrorKind::StorageFull.into()),
    }
}

/// How many of `n` bytes may be written.
pub(crate) fn reach_write(path: &Path, n: usize) -> io::Result<usize> {
    match due(Operation::Write, path) {
        None => Ok(n),
        Some(Fault::Error(kind) | Fault::Once(kind)) => Err(kind.into()),
        Some(Fault::Short(most)) if most > 0 => {
            STATE.with_borrow_mut(|slot| {
                if let Some(state) = slot {
                    let full = Fault::Error(io::ErrorKind::StorageFull);
                    state.fault = Some((Operation::Write, 0, full));
                }
            });
            Ok(n.min(most))
        }
        Some(Fault::Short(_)) => Err(io::ErrorKind::StorageFull.into()),
    }
}

/// The fault of an operation that is due to fail now.
fn due(operation: Operation, path: &Path) -> Option<Fault> {
    // Taken out, so that it can use this crate.
    let look = STATE.with_borrow_mut(|slot| slot.as_mut()?.look.take());
    if let Some(mut look) = look {
        look(operation, path);
        STATE.with_borrow_mut(|slot| {
            if let Some(state) = slot {
                state.look = Some(look);
            }
        });
    }
    STATE.with_borrow_mut(|slot| {
        let state = slot.as_mut()?;
        state.performed.push(operation);
        let (kind, left, fault) = state.fault.as_mut()?;
        if *kind != operation {
            return None;
        }
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let fault = *fault;
        if let Fault::Once(_) = fault {
            state.fault = None;
        }
        Some(fault)
    })
}
