//! Turns errors and panics of tantivy into [`Error`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;
use treffer_disk::Error as DiskError;
use treffer_types::BoxError;

use crate::error::Error;

/// Runs `work` and turns a panic into an error; tantivy panics on some damaged files.
pub(crate) fn guard<T>(
    action: &'static str,
    dir: &Path,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    // Nothing that `work` borrows is used again after a panic but to be dropped, or is
    // only read.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an unknown panic");
        Err(Error::Backend {
            action,
            dir: dir.to_owned(),
            source: format!("the index library panicked: {message}").into(),
        })
    })
}

/// Turns an error of tantivy, or of reading its files, into ours. Damage that was found while
/// tantivy read a file stays [`Error::Damaged`].
pub(crate) fn backend<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
    dir: &Path,
) -> impl FnOnce(E) -> Error {
    move |source| match damage(&source) {
        Some(reason) => Error::Damaged {
            dir: dir.to_owned(),
            reason,
        },
        None => Error::Backend {
            action,
            dir: dir.to_owned(),
            source: cause(source),
        },
    }
}

/// What tantivy calls an internal error is often the operating system's, as for a full disk:
/// its message alone says more.
fn cause<E: std::error::Error + Send + Sync + 'static>(error: E) -> BoxError {
    let tantivy = (&error as &(dyn std::error::Error + 'static)).downcast_ref::<TantivyError>();
    match tantivy {
        Some(TantivyError::InternalError(message)) => message.clone().into(),
        _ => Box::new(error),
    }
}

/// The damage that our verified reading reported, within an error of tantivy.
fn damage(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let io = match error.downcast_ref::<TantivyError>() {
        Some(TantivyError::IoError(io)) => io.as_ref(),
        Some(TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })) => {
            io_error.as_ref()
        }
        Some(TantivyError::DataCorruption(_)) => return Some(error.to_string()),
        Some(TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(path))) => {
            return Some(format!("`{}` is missing", path.display()));
        }
        _ => error.downcast_ref::<std::io::Error>()?,
    };
    match io.get_ref()?.downcast_ref::<DiskError>()? {
        DiskError::Io { .. } => None,
        disk => Some(disk.to_string()),
    }
}
