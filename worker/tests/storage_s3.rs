//! The S3 store against a real server, and against a network that fails.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends")]

mod server;

use std::{error::Error, fs, path::Path};

use collodion::storage::{Condition, ErrorKind, Put, StorageError, Store};
use collodion_crds::{ConfigMapReference, Location, SecretReference, Storage};
use futures::TryStreamExt;
use server::{Fault, Proxy, Server};

fn storage(endpoint: &str) -> Storage {
    Storage {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        path_style: true,
        credentials: Some(SecretReference {
            secret_name: "s3".to_owned(),
        }),
        ca_bundle: None,
    }
}

async fn open(endpoint: &str, location: &str, mounts: &Path) -> Store {
    Store::open(&Location::new(location), Some(&storage(endpoint)), Some(mounts))
        .await
        .unwrap()
}

async fn open_with_ca(endpoint: &str, config_map: &str, mounts: &Path) -> Result<Store, StorageError> {
    let storage = Storage {
        ca_bundle: Some(ConfigMapReference {
            config_map_name: config_map.to_owned(),
        }),
        ..storage(endpoint)
    };
    Store::open(&Location::new("s3://bucket/"), Some(&storage), Some(mounts)).await
}

fn put(key: &str, bytes: &'static str, condition: Condition) -> Put {
    Put {
        condition,
        ..Put::once(key, "text/plain", bytes)
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, StorageError>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn keys(store: &Store, prefix: &str, start_after: Option<&str>) -> Vec<String> {
    store
        .list(prefix, start_after)
        .map_ok(|entry| entry.key)
        .try_collect()
        .await
        .unwrap()
}

#[tokio::test]
async fn conditions_on_writes_and_reads_hold() {
    let server = Server::start();
    let store = open(&server.endpoint, "s3://bucket/folder", &server.mounts).await;
    let first = store.put(put("a", "1", Condition::IfAbsent)).await.unwrap();
    assert_eq!(
        kind(store.put(put("a", "2", Condition::IfAbsent)).await),
        ErrorKind::PreconditionFailed
    );
    let second = store
        .put(put("a", "3", Condition::IfMatch(first.clone())))
        .await
        .unwrap();
    let stale = store.put(put("a", "4", Condition::IfMatch(first.clone()))).await;
    assert_eq!(kind(stale), ErrorKind::PreconditionFailed);
    assert_eq!(store.get("a", Some(&second), 1).await.unwrap().bytes, "3");
    assert_eq!(
        kind(store.get("a", Some(&first), 1).await),
        ErrorKind::PreconditionFailed
    );
    assert_eq!(kind(store.get("a", None, 0).await), ErrorKind::TooLarge);
    assert_eq!(kind(store.get("b", None, 1).await), ErrorKind::NotFound);
    assert_eq!(kind(store.head("b").await), ErrorKind::NotFound);
    let nowhere = open(&server.endpoint, "s3://no-such-bucket/", &server.mounts).await;
    assert_eq!(kind(nowhere.get("a", None, 1).await), ErrorKind::NoBucket);
    assert_eq!(
        kind(nowhere.list("", None).try_collect::<Vec<_>>().await),
        ErrorKind::NoBucket
    );
}

#[tokio::test]
async fn metadata_and_media_type_come_back_as_put() {
    let server = Server::start();
    let store = open(&server.endpoint, "s3://bucket/", &server.mounts).await;
    let metadata: std::collections::BTreeMap<_, _> = [
        ("collodion-source-etag", "\"odd-1, 2; ~=%41 +/\\'"),
        ("collodion-job", "u"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let etag = store
        .put(Put {
            metadata: metadata.clone(),
            ..Put::once("a", "image/webp", "x")
        })
        .await
        .unwrap();
    let head = store.head("a").await.unwrap();
    assert_eq!((head.metadata, head.size, head.etag), (metadata, 1, etag));
    assert_eq!(head.content_type.as_deref(), Some("image/webp"));
}

#[tokio::test]
async fn keys_may_hold_any_characters() {
    let server = Server::start();
    let store = open(&server.endpoint, "s3://bucket/p x+ü/", &server.mounts).await;
    let mut odd = [
        "a b.jpg",
        "a+b.jpg",
        "a%2Bb.jpg",
        "ü/ñ.jpg",
        "😀.jpg",
        "a&b=c?d#e.jpg",
        "q'\"<>.jpg",
        "~!@$^*().jpg",
    ];
    for key in odd {
        store.put(put(key, "x", Condition::IfAbsent)).await.unwrap();
        assert_eq!(store.get(key, None, 1).await.unwrap().bytes, "x", "{key}");
    }
    odd.sort_unstable();
    let listed = keys(&store, "", None).await;
    assert_eq!(listed.iter().filter(|key| !key.ends_with('/')).collect::<Vec<_>>(), odd);
}

#[tokio::test]
async fn long_listings_come_whole_and_go_on_after_any_key() {
    let server = Server::start();
    let folder = server.folder.path().join("s3/bucket/many");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..2300 {
        fs::write(folder.join(format!("{n:04}.jpg")), "x").unwrap();
    }
    fs::create_dir(server.folder.path().join("s3/bucket/many-more")).unwrap();
    fs::write(server.folder.path().join("s3/bucket/many-more/a.jpg"), "x").unwrap();
    let store = open(&server.endpoint, "s3://bucket/many", &server.mounts).await;
    let all = keys(&store, "", None).await;
    assert_eq!((all.len(), all.is_sorted()), (2300, true));
    assert_eq!(keys(&store, "", Some("1233.jpg")).await, all[1234..]);
    assert_eq!(keys(&store, "12", Some("1297.jpg")).await, ["1298.jpg", "1299.jpg"]);
}

#[tokio::test]
async fn corrected_credentials_are_taken_up_without_a_restart() {
    let server = Server::start();
    let store = open(&server.endpoint, "s3://bucket/", &server.mounts).await;
    let secret = server.mounts.join("secrets/s3/AWS_SECRET_ACCESS_KEY");
    let right = fs::read(&secret).unwrap();
    fs::write(&secret, "wrong").unwrap();
    assert_eq!(kind(store.put(put("a", "1", Condition::None)).await), ErrorKind::Denied);
    fs::remove_file(&secret).unwrap();
    assert_eq!(kind(store.put(put("a", "1", Condition::None)).await), ErrorKind::Denied);
    fs::write(&secret, [right.as_slice(), b"\n"].concat()).unwrap();
    store.put(put("a", "1", Condition::None)).await.unwrap();
}

#[tokio::test]
async fn resets_and_truncated_bodies_are_tried_again() {
    let server = Server::start();
    let direct = open(&server.endpoint, "s3://bucket/", &server.mounts).await;
    let long = "0123456789".repeat(40_000);
    direct.put(Put::once("long", "text/plain", long.clone())).await.unwrap();
    for fault in [Fault::Reset, Fault::TruncateAfter(100_000), Fault::TruncateAfter(10)] {
        let proxy = Proxy::start(&server, fault, 2).await;
        let store = open(&proxy.endpoint, "s3://bucket/", &server.mounts).await;
        let object = store.get("long", None, 1 << 20).await.unwrap();
        assert_eq!(object.bytes, long, "{fault:?}");
        assert!(proxy.connections() >= 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_written() {
    let server = Server::start();
    let proxy = Proxy::start(&server, Fault::TruncateAfter(0), 1).await;
    let store = open(&proxy.endpoint, "s3://bucket/", &server.mounts).await;
    assert_eq!(
        kind(store.put(put("once", "1", Condition::IfAbsent)).await),
        ErrorKind::PreconditionFailed
    );
    assert_eq!(store.get("once", None, 9).await.unwrap().bytes, "1");
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_ca_bundle_holds_it() {
    let server = Server::start_with_tls();
    let store = open_with_ca(&server.endpoint, "ca", &server.mounts).await.unwrap();
    store.put(put("a", "1", Condition::IfAbsent)).await.unwrap();
    assert_eq!(store.get("a", None, 1).await.unwrap().bytes, "1");
}

#[tokio::test]
async fn an_untrusted_certificate_is_said_to_be_one_and_not_tried_again() {
    let server = Server::start_with_tls();
    let proxy = Proxy::start(&server, Fault::Reset, 0).await;
    let store = open(&proxy.endpoint, "s3://bucket/", &server.mounts).await;
    let error = store.put(put("a", "1", Condition::IfAbsent)).await.unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("invalid peer certificate: UnknownIssuer"), "{cause}");
    assert_eq!(error.kind(), ErrorKind::Denied);
    // Once more, as mounted credentials are read again.
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn an_unusable_ca_bundle_is_refused_by_its_file() {
    let mounts = tempfile::tempdir().unwrap();
    let folder = mounts.path().join("configmaps/ca");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("ca.crt");
    for (content, why) in [
        (None, "No such file"),
        (Some(""), "it holds no PEM certificate"),
        (Some("not PEM\n"), "it holds no PEM certificate"),
        (
            Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "it holds no PEM certificate",
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"),
            "base64",
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "invalid peer certificate: BadEncoding",
        ),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n"), "section end"),
    ] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let error = open_with_ca("https://127.0.0.1:1", "ca", mounts.path())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let cause = error.source().unwrap().to_string();
        let expected = format!("failed to read the CA bundle {}: ", file.display());
        assert!(
            cause.starts_with(&expected) && cause.contains(why),
            "{content:?}: {cause}"
        );
    }
}
