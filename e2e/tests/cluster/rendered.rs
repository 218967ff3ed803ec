//! The main job: a bucket of photographs in, every rendition of each out.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use collodion_crds::ImageJob;
use collodion_e2e::cluster::{Cluster, Namespace};
use serde_json::Value;

use crate::{
    corpus::{self, Picture},
    looks,
    manifest::{NAME, OUTPUT, image_job},
};

pub(crate) async fn every_image_of_a_bucket_is_rendered_and_counted(
    cluster: &Cluster,
    ns: &Namespace<'_>,
) -> Result<()> {
    let pictures = corpus::pictures(1, 64)?;
    corpus::store(&cluster.s3, ns, &pictures).await?;
    ns.apply(&image_job(ns))?;
    let job = ns.wait_for(NAME, "Complete", Duration::from_secs(180)).await?;
    check(cluster, ns, &job, &pictures).await
}

/// Checks every output of a finished job, and that status, report and bucket agree on how many there are.
pub(crate) async fn check(cluster: &Cluster, ns: &Namespace<'_>, job: &ImageJob, pictures: &[Picture]) -> Result<()> {
    let outputs = outputs(cluster, ns).await?;
    for picture in pictures {
        let stem = Path::new(&picture.key)
            .extension()
            .and_then(|extension| extension.to_str());
        for (rendition, extension) in [("thumb", "webp"), ("page", stem.context("a key without extension")?)] {
            let key = format!("{}.{rendition}.{extension}", picture.key);
            let output = outputs.get(&key).with_context(|| format!("there is no output {key}"))?;
            looks::check(&picture.bytes, rendition, output).with_context(|| format!("{key} is wrong"))?;
        }
    }
    ensure!(
        outputs.len() == pictures.len() * 2,
        "there are outputs of nothing: {:?}",
        outputs.keys()
    );

    let objects = job
        .status
        .as_ref()
        .and_then(|status| status.objects)
        .context("the status counts nothing")?;
    let total = pictures.len() as u64;
    ensure!(
        objects.total == total && objects.failed == 0 && objects.done + objects.skipped == total,
        "{objects:?}"
    );
    let report = report(cluster, ns, job).await?;
    ensure!(
        report["objects"] == serde_json::to_value(objects)?,
        "report and status differ: {report} {objects:?}"
    );
    Ok(())
}

/// A finished job's report.
pub(crate) async fn report(cluster: &Cluster, ns: &Namespace<'_>, job: &ImageJob) -> Result<Value> {
    let report = cluster
        .s3
        .get(&ns.name, &format!("{OUTPUT}_collodion/{}/report.json", uid(job)?))
        .await?;
    serde_json::from_slice(&report).context("the report is not JSON")
}

/// UID of a job.
pub(crate) fn uid(job: &ImageJob) -> Result<&str> {
    job.metadata.uid.as_deref().context("the job has no UID")
}

/// Everything in the output's folder but the job's own files, by key.
pub(crate) async fn outputs(cluster: &Cluster, ns: &Namespace<'_>) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut outputs = BTreeMap::new();
    for (key, _) in cluster.s3.list(&ns.name, OUTPUT).await? {
        let name = key.strip_prefix(OUTPUT).unwrap_or_default();
        if !name.starts_with("_collodion/") {
            outputs.insert(name.to_owned(), cluster.s3.get(&ns.name, &key).await?);
        }
    }
    Ok(outputs)
}
