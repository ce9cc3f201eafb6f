//! What must not be written over: the base, and unless it is said, a model or a training.

use std::io::ErrorKind;
use std::path::Path;

use crate::checkpoint::{self, CHECKPOINT};
use crate::error::Error;

/// Files that make a folder one of a model.
const OF_A_MODEL: [&str; 2] = ["model.safetensors", "config.json"];

/// Checks that a training that begins as the model in `base` may write into `out`, before any
/// work; `None` if that folder is not known yet. `overwrites` is whether the training or model that
/// is there is gone on with or replaced.
///
/// # Errors
/// If `out` is `base`, however that is written; or if it holds a training or a model, and
/// `overwrites` is false.
pub fn check_output(out: &Path, base: Option<&Path>, overwrites: bool) -> Result<(), Error> {
    // What does not exist is nothing that could be lost.
    if let (Ok(out), Some(Ok(base))) = (out.canonicalize(), base.map(Path::canonicalize))
        && out == base
    {
        return Err(Error::OverBase { path: out });
    }
    if overwrites {
        return Ok(());
    }
    let path = out.join(CHECKPOINT);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let step = checkpoint::state(&path, &bytes)?.step;
            return Err(Error::Begun { path, step });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // That it is no folder is said by whoever makes it one.
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(()),
        Err(source) => return Err(Error::Read { path, source }),
    }
    let mut files = OF_A_MODEL.into_iter().map(|name| out.join(name));
    match files.find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(Error::Occupied { path }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_model_is_not_written_over_and_the_base_never() {
        let folder = tempfile::tempdir().unwrap();
        let [out, base] = ["out", "base"].map(|name| folder.path().join(name));
        assert!(
            check_output(&out, Some(&base), false).is_ok(),
            "there is nothing"
        );
        fs::create_dir(&out).unwrap();
        fs::create_dir(&base).unwrap();
        fs::write(out.join("teacher-scores.jsonl"), "").unwrap();
        assert!(check_output(&out, Some(&base), false).is_ok());
        for name in OF_A_MODEL {
            fs::write(out.join(name), "{}").unwrap();
            let error = check_output(&out, Some(&base), false)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(name) && error.contains("--replace"),
                "{error}"
            );
            assert!(check_output(&out, Some(&base), true).is_ok());
            fs::remove_file(out.join(name)).unwrap();
        }
        let same = out.join("..").join("base");
        for overwrites in [false, true] {
            let error = check_output(&same, Some(&base), overwrites).unwrap_err();
            assert!(matches!(error, Error::OverBase { .. }), "{error}");
        }
    }
}
