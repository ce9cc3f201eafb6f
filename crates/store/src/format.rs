//! The files of a store: their names, and how each begins.

use treffer_disk::Prologue;

/// Must be incremented with every change to any file of the store.
const VERSION: u32 = 3;

pub(crate) const DOCUMENTS: &str = "documents.zst";
pub(crate) const DOCUMENTS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFdocs\n",
    version: VERSION,
};
pub(crate) const BLOCKS: &str = "blocks.table";
pub(crate) const BLOCKS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFblks\n",
    version: VERSION,
};
pub(crate) const IDS: &str = "ids.table";
pub(crate) const IDS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFids \n",
    version: VERSION,
};
pub(crate) const HASHES: &str = "hashes.table";
pub(crate) const HASHES_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFhash\n",
    version: VERSION,
};
pub(crate) const PASSAGES: &str = "passages.table";
pub(crate) const PASSAGES_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFpsgs\n",
    version: VERSION,
};
