//! Durable writing, and reading that verifies what it touches.
//!
//! The one crate that asks the file system for durability, and the one that maps files
//! into memory. It knows nothing of what the files hold.
//!
//! **Writing.** [`write_durably`] replaces a file whole or not at all; [`AtomicFile`] does
//! the same for output that is streamed, and [`Output`] writes directly to what cannot be
//! replaced, such as a pipe. [`FileWriter`] writes a new file of a folder that will be
//! sealed. [`Lock`] keeps a second writer out.
//!
//! **Sealing.** [`seal`] reads every file of a finished folder once, waits until all of them
//! are on disk, and writes `checksums` beside them: the length of each file and the CRC-32
//! of each of its blocks of 64 KiB. A sealed folder never changes again; what replaces it
//! has another name.
//!
//! **Reading.** [`Sealed::open`] reads `checksums` and nothing else. A [`VerifiedFile`] is
//! mapped into memory, and each block is verified when it is touched for the first time, so
//! that opening costs what the query needs and nothing is believed unverified.
//! [`Sealed::verify`] reads everything. A block that was verified is not verified again
//! while the file is open, though the operating system may read it from disk again.
//!
//! CRC-32 finds damage by accident, not by intent.
//!
//! ```
//! use std::io::Write;
//! use treffer_disk::{FileWriter, Sealed, seal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let mut file = FileWriter::create(&dir.join("words"))?;
//! file.write_all(b"one two three")?;
//! file.finish()?;
//! let record = seal(dir)?;
//! assert_eq!((record.files, record.bytes), (1, 13));
//!
//! let sealed = Sealed::open(dir)?;
//! assert_eq!(sealed.record(), record);
//! assert_eq!(sealed.file("words")?.bytes(4..7)?, b"two");
//! # Ok(())
//! # }
//! ```

mod error;

mod atomic;
mod durable;
mod lock;
mod writer;

mod blocks;
mod checksums;
mod map;
mod numbers;
mod prologue;
mod read;
mod seal;
mod sealed;
mod verified;

#[cfg(any(test, feature = "failpoints"))]
pub mod failpoint;
#[cfg(not(any(test, feature = "failpoints")))]
#[path = "failpoint_off.rs"]
mod failpoint;

#[cfg(test)]
mod tests;

pub use atomic::{AtomicFile, Output, is_temporary_of, write_durably};
pub use blocks::BLOCK_BYTES;
pub use checksums::CHECKSUMS;
pub use durable::{create_dir_durably, remove_dir_if_there, rename_durably, sync_dir};
pub use error::Error;
pub use lock::{Lock, LockError};
pub use map::MappedBytes;
pub use numbers::{Number, Numbers, partition_point};
pub use prologue::Prologue;
pub use read::{is_below, read_file, read_text};
pub use seal::{SealRecord, is_sealed, seal};
pub use sealed::{Problem, Sealed};
pub use verified::VerifiedFile;
pub use writer::FileWriter;
