//! Files as memory: the one place with `unsafe` code.
//!
//! Memory that is mapped from a file changes if the file does, which Rust's references must
//! never see. What is mapped here is a file of a sealed folder: nobody writes to it after
//! the seal, it is never shortened, and what replaces it is another file of another name.
//! Removing it while it is mapped is harmless, as the mapping keeps it alive.
//!
//! Nothing can keep a foreign process from breaking that promise. If one writes to a mapped
//! file, a reader may see bytes other than those that were verified. If one shortens it, or
//! the medium fails to read a page, the operating system ends the reading process (`SIGBUS`
//! on Unix). Programs that must survive that should copy an index to a place where nobody
//! else can write.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;
use stable_deref_trait::StableDeref;

/// The bytes of a mapped file, kept alive by each of its clones. Nothing here verifies
/// them.
#[derive(Clone, Debug)]
pub struct MappedBytes(Arc<Mmap>);

impl MappedBytes {
    pub(crate) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: sealed files are not changed while they are mapped; see above.
        let map = unsafe { Mmap::map(file)? };
        Ok(MappedBytes(Arc::new(map)))
    }
}

impl Deref for MappedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

// SAFETY: the bytes stay where they are mapped until the last clone is dropped, wherever the
// clones themselves are moved.
unsafe impl StableDeref for MappedBytes {}
