//! A hub on this machine that drops, damages and refuses: what is pulled is whole, or the sentence says why not.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod hub;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use hibari_store::{Hub, Pull, Pulled, Store, StoreError, Trouble};
use hub::{COMMIT, FakeHub, Fault};

const ID: &str = "owner/model";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 31 % 251) as u8).collect();
    vec![
        ("model_index.json", b"{}".to_vec()),
        ("transformer/a.safetensors", large),
        (
            "transformer/a.safetensors.index.json",
            br#"{"weight_map": {"x": "a.safetensors"}}"#.to_vec(),
        ),
        ("pickled.bin", b"pickle".to_vec()),
        ("README.md", b"words".to_vec()),
    ]
}

fn pull() -> Pull {
    Pull { id: ID.into(), revision: "main".into(), only: Vec::new(), patience: Duration::ZERO }
}

fn pulled(folder: &Path, hub: &FakeHub) -> Result<Pulled, StoreError> {
    let mut last = 0;
    let hub = Hub::new(&hub.url, None);
    Store::new(folder).pull(&pull(), &hub, &mut |progress| {
        assert!(progress.done <= progress.of && progress.of > 3_000_000);
        last = last.max(progress.done);
        ControlFlow::Continue(())
    })
}

#[track_caller]
fn assert_whole(pulled: &Pulled) {
    assert_eq!((pulled.files, pulled.commit.as_str()), (3, COMMIT));
    for (name, bytes) in files().iter().take(3) {
        assert!(fs::read(pulled.folder.join(name)).unwrap() == *bytes, "{name}");
    }
    assert!(!pulled.folder.join("pickled.bin").exists());
}

#[test]
fn a_model_is_pulled_listed_verified_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(files(), Vec::new());
    let first = pulled(folder.path(), &hub).unwrap();
    assert_whole(&first);
    let asked = hub.bytes_sent();
    assert_whole(&pulled(folder.path(), &hub).unwrap());
    assert!(hub.bytes_sent() - asked < 10_000, "what is here is not pulled again");

    let store = Store::new(folder.path());
    let held = store.list().unwrap();
    assert_eq!((held.len(), held[0].id.as_str(), held[0].partial_bytes), (1, ID, 0));
    assert!(held[0].size_bytes > 3_000_000);
    assert_eq!(store.find(ID, "main"), Some(first.folder.clone()));
    assert_eq!(store.find(ID, COMMIT), Some(first.folder.clone()));
    assert_eq!(store.find(ID, "../.."), None);
    assert_eq!(store.verify(ID, &mut |_| {}).unwrap(), []);

    let blob = fs::canonicalize(first.folder.join("transformer/a.safetensors")).unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let trouble = |reason: &str, file: &str| Trouble { file: file.into(), reason: reason.into() };
    let name = "transformer/a.safetensors";
    assert_eq!(store.verify(ID, &mut |_| {}).unwrap(), [trouble("it is damaged", name)]);
    fs::remove_file(&blob).unwrap();
    let found = store.verify(ID, &mut |_| {}).unwrap();
    assert!(found.contains(&trouble("it is missing", name)), "{found:?}");
    let index = "transformer/a.safetensors.index.json";
    assert!(found.contains(&trouble("its part `a.safetensors` is missing", index)), "{found:?}");
    assert_whole(&pulled(folder.path(), &hub).unwrap());

    assert!(store.remove(ID).unwrap() > 3_000_000);
    assert_eq!(store.list().unwrap(), []);
    assert!(matches!(store.remove(ID), Err(StoreError::Absent { .. })));
}

#[test]
fn broken_connections_and_flipped_bits_are_mended() {
    let plans: [(&str, Vec<Fault>); 6] = [
        ("dropped twice", vec![Fault::Drop(700_000), Fault::Drop(900_000)]),
        ("the range is ignored", vec![Fault::Drop(700_000), Fault::IgnoreRange]),
        ("a bit is flipped once", vec![Fault::Flip]),
        ("busy", vec![Fault::Status(429), Fault::Status(503), Fault::Status(429)]),
        ("sent elsewhere", vec![Fault::Redirect]),
        ("nothing arrives", vec![Fault::Drop(0), Fault::Drop(0), Fault::Drop(0)]),
    ];
    for (what, faults) in plans {
        let folder = tempfile::tempdir().unwrap();
        let hub = FakeHub::start(files(), faults);
        let result = pulled(folder.path(), &hub);
        assert_whole(&result.unwrap_or_else(|error| panic!("{what}: {error}")));
        assert_eq!(hub.faults_left(), 0, "{what}");
    }
}

#[test]
fn what_cannot_be_mended_is_told() {
    let check = |faults: Vec<Fault>, sentence: &str, hint: &str| {
        let folder = tempfile::tempdir().unwrap();
        let hub = FakeHub::start(files(), faults);
        let error = pulled(folder.path(), &hub).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
        let blobs = folder.path().join("models--owner--model/blobs");
        let name = hub::sha256(&files()[1].1);
        assert!(!blobs.join(name).exists(), "nothing gets a name that it does not deserve");
    };
    check(vec![Fault::Flip, Fault::Flip], "arrives damaged", "another hub");
    check(vec![Fault::Drop(0); 5], "cannot be pulled", "what has arrived is kept");
    check(vec![Fault::Status(401)], "does not give `transformer/a.safetensors`", "HF_TOKEN");
    check(vec![Fault::Status(404)], "has no `transformer/a.safetensors`", "spelling");
}

#[test]
fn a_pull_that_was_stopped_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(files(), Vec::new());
    let stopped =
        Store::new(folder.path()).pull(&pull(), &Hub::new(&hub.url, None), &mut |progress| {
            if progress.done > 1_000_000 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
    assert!(matches!(stopped, Err(StoreError::Canceled)));
    let here = Store::new(folder.path()).list().unwrap()[0].partial_bytes;
    assert!(here > 1_000_000, "{here}");
    let sent = hub.body_bytes_of_large();
    assert_whole(&pulled(folder.path(), &hub).unwrap());
    assert_eq!(hub.body_bytes_of_large() - sent, 3_000_000 - here, "only the rest is asked for");
}

#[test]
fn names_and_patterns_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(files(), Vec::new());
    let run = |pull: Pull| {
        Store::new(folder.path())
            .pull(&pull, &Hub::new(&hub.url, None), &mut |_| ControlFlow::Continue(()))
    };
    let bad = run(Pull { id: "../etc".into(), ..pull() });
    assert!(matches!(bad, Err(StoreError::Name { .. })));
    let unknown = run(Pull { id: "owner/other".into(), ..pull() }).unwrap_err();
    assert!(matches!(unknown, StoreError::Missing { .. }), "{unknown}");
    let none = run(Pull { only: vec!["*.gguf".into()], ..pull() });
    assert!(matches!(none, Err(StoreError::Nothing { .. })));
    let wrong = run(Pull { only: vec!["a[".into()], ..pull() });
    assert!(matches!(wrong, Err(StoreError::Pattern { .. })));
    let some = run(Pull { only: vec!["*.md".into()], ..pull() }).unwrap();
    assert_eq!(some.files, 1);
    let nobody = Hub::new("http://127.0.0.1:9", None);
    let error =
        Store::new(folder.path()).pull(&pull(), &nobody, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error, Err(StoreError::Connection { .. })));
}
