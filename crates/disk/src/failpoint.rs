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

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;

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
    /// A write takes this many bytes at most, and the next one finds the disk full. Of any
    /// operation that is not a write, the same as a full disk.
    Short(usize),
}

#[derive(Default)]
struct State {
    performed: Vec<Operation>,
    /// The operation that is to fail, how many of its kind go well before, and how.
    fault: Option<(Operation, usize, Fault)>,
}

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
        })
    }

    /// Lets nothing fail, and remembers what was done.
    pub fn observe() -> Self {
        Self::begin(State::default())
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
pub(crate) fn reach(operation: Operation) -> io::Result<()> {
    match due(operation) {
        None => Ok(()),
        Some(Fault::Error(kind)) => Err(kind.into()),
        Some(Fault::Short(_)) => Err(io::ErrorKind::StorageFull.into()),
    }
}

/// How many of `n` bytes may be written.
pub(crate) fn reach_write(n: usize) -> io::Result<usize> {
    match due(Operation::Write) {
        None => Ok(n),
        Some(Fault::Error(kind)) => Err(kind.into()),
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
fn due(operation: Operation) -> Option<Fault> {
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
        Some(*fault)
    })
}
