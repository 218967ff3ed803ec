//! Manifests that are refused.

use anyhow::{Context, Result, ensure};
use collodion_e2e::cluster::{Cluster, Namespace};
use serde_json::{Value, json};

use crate::manifest::image_job;

pub(crate) async fn a_manifest_with_mistakes_is_refused_with_a_sentence(_: &Cluster, ns: &Namespace<'_>) -> Result<()> {
    let mut unknown = image_job(ns);
    unknown["spec"]["paralelism"] = json!(3);
    refused(ns, &unknown, "unknown field \"spec.paralelism\"")?;

    let mut two_operations = image_job(ns);
    two_operations["spec"]["renditions"][0]["steps"][0]["crop"] = json!({"width": 10, "height": 10});
    refused(ns, &two_operations, "a step holds exactly one operation")?;

    let mut file = image_job(ns);
    file["spec"]["input"]["location"] = json!("file:///etc/");
    refused(ns, &file, "write a location as s3://BUCKET/PREFIX/")
}

pub(crate) async fn a_job_cannot_be_edited_into_another(_: &Cluster, ns: &Namespace<'_>) -> Result<()> {
    let mut manifest = image_job(ns);
    manifest["spec"]["suspend"] = json!(true);
    ns.apply(&manifest)?;

    let mut edited = manifest.clone();
    edited["spec"]["renditions"][0]["encode"]["quality"] = json!(50);
    refused(
        ns,
        &edited,
        "only suspend and parallelism of an ImageJob can be changed",
    )?;

    manifest["spec"]["parallelism"] = json!(5);
    ns.apply(&manifest)
}

fn refused(ns: &Namespace<'_>, manifest: &Value, sentence: &str) -> Result<()> {
    let error = ns
        .apply(manifest)
        .err()
        .with_context(|| format!("not refused for {sentence:?}"))?
        .to_string();
    ensure!(error.contains(sentence), "refused, but not with {sentence:?}: {error}");
    Ok(())
}
