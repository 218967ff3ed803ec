use std::{fs, os::unix::fs::symlink};

use futures::TryStreamExt;
use proptest::{collection::btree_set, prelude::*};

use super::*;

fn store() -> (tempfile::TempDir, FileStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path()).unwrap();
    (folder, store)
}

async fn keys(store: &FileStore, prefix: &str, start_after: Option<&str>) -> Vec<String> {
    store
        .list(prefix, start_after)
        .map_ok(|entry| entry.key)
        .try_collect()
        .await
        .unwrap()
}

fn put(key: &str, bytes: &'static str, condition: Condition) -> Put {
    let metadata = [("colour".to_owned(), bytes.to_owned())].into();
    Put {
        key: key.into(),
        bytes: bytes.into(),
        content_type: "text/plain",
        metadata,
        condition,
    }
}

#[tokio::test]
async fn an_object_is_created_once_and_replaced_only_by_who_saw_it() {
    let (_folder, store) = store();
    let first = store.put(put("a/b.txt", "red", Condition::IfAbsent)).await.unwrap();
    let again = store
        .put(put("a/b.txt", "blue", Condition::IfAbsent))
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::PreconditionFailed);
    let second = store
        .put(put("a/b.txt", "green", Condition::IfMatch(first.clone())))
        .await
        .unwrap();
    let stale = store
        .put(put("a/b.txt", "blue", Condition::IfMatch(first)))
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::PreconditionFailed);
    let head = store.head("a/b.txt").await.unwrap();
    assert_eq!(
        (head.etag.as_str(), head.metadata["colour"].as_str()),
        (second.as_str(), "green")
    );
    assert_eq!(store.get("a/b.txt", Some(&second), 5).await.unwrap().bytes, "green");
    let missing = store
        .put(put("none.txt", "x", Condition::IfMatch(second)))
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn replaced_objects_leave_no_sidecars_and_no_temporary_files() {
    let (folder, store) = store();
    for bytes in ["one", "two", "three"] {
        store.put(put("a.txt", bytes, Condition::None)).await.unwrap();
    }
    store.put(put("a.txt", "four", Condition::IfAbsent)).await.unwrap_err();
    let files = |sub: &str| {
        let walk = walkdir::WalkDir::new(folder.path().join("_collodion").join(sub));
        walk.into_iter()
            .filter(|e| e.as_ref().unwrap().file_type().is_file())
            .count()
    };
    assert_eq!((files("index"), files("tmp")), (1, 0));
}

#[tokio::test]
async fn metadata_of_a_file_replaced_by_hand_is_gone() {
    let (folder, store) = store();
    store.put(put("a.txt", "red", Condition::None)).await.unwrap();
    fs::write(folder.path().join("a.txt"), "blue").unwrap();
    assert!(store.head("a.txt").await.unwrap().metadata.is_empty());
}

#[tokio::test]
async fn a_changed_or_too_large_file_is_not_read() {
    let (folder, store) = store();
    fs::write(folder.path().join("a"), "12345").unwrap();
    let etag = store.head("a").await.unwrap().etag;
    assert_eq!(
        store.get("a", Some(&etag), 4).await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    fs::write(folder.path().join("a"), "123").unwrap();
    assert_eq!(
        store.get("a", Some(&etag), 9).await.unwrap_err().kind(),
        ErrorKind::PreconditionFailed
    );
    assert_eq!(store.get("b", None, 9).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.get("a/b", None, 9).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn keys_that_leave_the_folder_are_refused() {
    let (folder, store) = store();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    for key in [
        "../a",
        "a/../../b",
        "/etc/passwd",
        "",
        "a//b",
        "./a",
        "a/./b",
        "a/",
        "a\0b",
        "out/secret",
    ] {
        let error = store.get(key, None, 9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}");
        let error = store.put(put(key, "x", Condition::None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}");
    }
    assert!(
        keys(&store, "", None)
            .await
            .iter()
            .all(|key| key.starts_with("_collodion/"))
    );
}

#[tokio::test]
async fn links_inside_are_followed_and_circles_and_dangling_ones_left_out() {
    let (folder, store) = store();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("d/a"), "x").unwrap();
    symlink("d/a", folder.path().join("b")).unwrap();
    symlink("nothing", folder.path().join("c")).unwrap();
    symlink("..", folder.path().join("d/up")).unwrap();
    assert_eq!(keys(&store, "", None).await, ["b", "d/a"]);
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let (folder, store) = store();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.jpg")), "x").unwrap();
    fs::write(folder.path().join("b.jpg"), "x").unwrap();
    assert_eq!(keys(&store, "", None).await, ["b.jpg"]);
}

#[tokio::test]
async fn a_missing_folder_is_not_found() {
    let (folder, _) = store();
    let store = FileStore::new(&folder.path().join("none")).unwrap();
    let error = store.list("", None).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_location_knows_what_lies_inside() {
    let (folder, outer) = store();
    let store = |sub: &str| FileStore::new(&folder.path().join(sub)).unwrap();
    assert_eq!(outer.key_of(&store("a/b")), Some("a/b/".into()));
    assert_eq!(outer.key_of(&store("")), Some(String::new()));
    assert_eq!(store("a").key_of(&store("ab")), None);
    fs::create_dir(folder.path().join("real")).unwrap();
    symlink("real", folder.path().join("link")).unwrap();
    assert_eq!(store("real").key_of(&store("link/x")), Some("x/".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn listings_ascend_by_bytes_and_go_on_after_any_key(names in btree_set("[a.\\-/ü]{1,6}", 1..12), cut in any::<prop::sample::Index>()) {
        let (folder, store) = store();
        for name in &names {
            let Ok(path) = store.path(name) else { continue };
            let _ = path.parent().map(fs::create_dir_all);
            let _ = fs::write(&path, "x");
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let all = runtime.block_on(keys(&store, "", None));
        prop_assert!(all.is_sorted());
        for key in &all {
            prop_assert!(folder.path().join(key).is_file());
        }
        if !all.is_empty() {
            let cut = cut.index(all.len());
            prop_assert_eq!(&runtime.block_on(keys(&store, "", Some(&all[cut]))), &all[cut + 1..]);
        }
    }
}
