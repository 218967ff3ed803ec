//! Files that are not what they say, among good ones.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use collodion_e2e::cluster::{Cluster, Namespace};
use png::{BitDepth, ColorType, Encoder};
use serde_json::{Value, json};

use crate::{
    corpus::{self, Picture},
    manifest::{INPUT, NAME, OUTPUT, image_job},
    rendered,
};

pub(crate) async fn one_bad_image_never_costs_its_neighbours(cluster: &Cluster, ns: &Namespace<'_>) -> Result<()> {
    let good = corpus::pictures(2, 12)?;
    let mut broken = good[0].bytes.clone();
    broken[20..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let bad = [
        Picture {
            key: "broken.jpg".to_owned(),
            bytes: broken,
        },
        Picture {
            key: "more/of them/text.jpg".to_owned(),
            bytes: b"This is no photograph.\n".repeat(40),
        },
        Picture {
            key: "bomb.png".to_owned(),
            bytes: bomb()?,
        },
    ];
    corpus::store(&cluster.s3, ns, &good).await?;
    corpus::store(&cluster.s3, ns, &bad).await?;
    let before = cluster.s3.list(&ns.name, INPUT).await?;

    let mut manifest = image_job(ns);
    manifest["spec"]["failurePolicy"] = json!({"maxFailed": 10});
    ns.apply(&manifest)?;
    let job = ns.wait_for(NAME, "Complete", Duration::from_secs(180)).await?;

    let objects = job
        .status
        .as_ref()
        .and_then(|status| status.objects)
        .context("the status counts nothing")?;
    ensure!(
        (objects.total, objects.done, objects.failed) == (15, 12, 3),
        "{objects:?}"
    );
    let outputs = rendered::outputs(cluster, ns).await?;
    ensure!(outputs.len() == good.len() * 2, "outputs: {:?}", outputs.keys());

    let key = format!("{OUTPUT}_collodion/{}/failures.jsonl", rendered::uid(&job)?);
    let failures = String::from_utf8(cluster.s3.get(&ns.name, &key).await?)?;
    let rows: Vec<Value> = failures.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let reasons: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row["key"].as_str(), row["reason"].as_str()))
        .collect();
    let expected = [
        ("bomb.png", "TooManyPixels"),
        ("broken.jpg", "Undecodable"),
        ("more/of them/text.jpg", "NotAnImage"),
    ];
    ensure!(
        reasons == expected.map(|(key, reason)| (Some(key), Some(reason))).into() && rows.len() == expected.len(),
        "failures: {failures}"
    );

    ensure!(
        cluster.s3.list(&ns.name, INPUT).await? == before,
        "the inputs have changed"
    );
    Ok(())
}

/// A valid image of 20,000 × 20,000 pixels in a small file.
fn bomb() -> Result<Vec<u8>> {
    const SIDE: u32 = 20_000;
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, SIDE, SIDE);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&vec![0; (SIDE / 8 * SIDE) as usize])?;
    writer.finish()?;
    Ok(bytes)
}
