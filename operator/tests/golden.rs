//! The objects that are built from an ImageJob, as YAML in `golden/`. `UPDATE_GOLDEN=1 cargo test` renews them.

use std::{env, fs, path::Path};

use collodion_crds::ImageJob;
use collodion_operator::imagejob::{
    build::{Live, Snapshot, plan_job, process_job, report_job},
    phase::Planned,
};
use serde::Serialize;

const PLANNED: Planned = Planned {
    shards: 3,
    objects: 250,
    bytes: 1_000_000_000,
};

#[test]
fn a_small_imagejob_becomes_these_objects() {
    let snapshot = snapshot("minimal");
    let live = Live {
        suspend: false,
        parallelism: 4,
    };
    check("minimal-snapshot", &snapshot.config_map());
    check("minimal-plan", &plan_job(&snapshot, live));
    check("minimal-process", &process_job(&snapshot, live, PLANNED));
    check("minimal-report", &report_job(&snapshot, live));
}

#[test]
fn every_setting_of_an_imagejob_reaches_its_objects() {
    let snapshot = snapshot("full");
    let live = Live {
        suspend: true,
        parallelism: 16,
    };
    check("full-snapshot", &snapshot.config_map());
    check("full-process", &process_job(&snapshot, live, PLANNED));
}

#[test]
fn a_snapshot_is_read_back_as_it_was() {
    for name in ["minimal", "full"] {
        let snapshot = snapshot(name);
        assert_eq!(Snapshot::read(&snapshot.config_map()).unwrap(), snapshot);
    }
}

fn snapshot(name: &str) -> Snapshot {
    let text = fs::read_to_string(golden(&format!("{name}-imagejob"))).expect("the manifest is there");
    let job: ImageJob = serde_saphyr::from_str(&text).expect("the manifest is an ImageJob");
    Snapshot::new(&job, "registry.example/collodion/worker:1.2.3")
}

fn check(name: &str, object: &impl Serialize) {
    let (path, built) = (
        golden(name),
        serde_saphyr::to_string(object).expect("the object serializes"),
    );
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &built).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        built == expected,
        "{} is out of date: see the difference with UPDATE_GOLDEN=1 and git\n{built}",
        path.display()
    );
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.yaml"))
}
