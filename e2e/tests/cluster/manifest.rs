//! The ImageJob that tests start from.

use collodion_e2e::{cluster::Namespace, s3};
use serde_json::{Value, json};

/// Name of the ImageJob.
pub(crate) const NAME: &str = "job";
/// Folder of the inputs in a test's bucket.
pub(crate) const INPUT: &str = "in/";
/// Folder of the outputs in a test's bucket.
pub(crate) const OUTPUT: &str = "out/";
/// Longest side of `page`, in pixels.
pub(crate) const PAGE: u32 = 480;
/// Both sides of `thumb`, in pixels.
pub(crate) const THUMB: u32 = 160;

/// A job with two renditions over everything under [`INPUT`].
pub(crate) fn image_job(ns: &Namespace<'_>) -> Value {
    let bucket = &ns.name;
    json!({
        "apiVersion": "collodion.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {"name": NAME, "namespace": ns.name},
        "spec": {
            "storage": {
                "endpoint": s3::ENDPOINT,
                "region": "us-east-1",
                "pathStyle": true,
                "credentials": {"secretName": "s3"},
            },
            "input": {"location": format!("s3://{bucket}/{INPUT}")},
            "output": {"location": format!("s3://{bucket}/{OUTPUT}")},
            "renditions": [
                {
                    "name": "thumb",
                    "steps": [{"resize": {"width": THUMB, "height": THUMB, "fit": "cover"}}],
                    "encode": {"format": "webp", "quality": 80},
                },
                {"name": "page", "steps": [{"resize": {"width": PAGE, "height": PAGE, "fit": "inside"}}]},
            ],
            "shard": {"objects": 20},
            "parallelism": 2,
            "failurePolicy": {"maxFailed": 0},
        },
    })
}
