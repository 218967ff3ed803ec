//! A cluster and a laptop make the same bytes.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use collodion_e2e::{
    cluster::{Cluster, Namespace},
    command,
};

use crate::{
    corpus,
    manifest::{NAME, image_job},
    rendered,
};

pub(crate) async fn the_command_line_makes_the_same_bytes(cluster: &Cluster, ns: &Namespace<'_>) -> Result<()> {
    let pictures = corpus::pictures(3, 24)?;
    corpus::store(&cluster.s3, ns, &pictures).await?;
    let manifest = image_job(ns);
    ns.apply(&manifest)?;

    let folder = tempfile::tempdir()?;
    let (input, output, file) = (
        folder.path().join("in"),
        folder.path().join("out"),
        folder.path().join("job.yaml"),
    );
    fs::write(&file, manifest.to_string())?;
    for picture in &pictures {
        let path = input.join(&picture.key);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(path, &picture.bytes)?;
    }
    let mut run = Command::new(&cluster.programs.worker);
    run.arg("run")
        .arg("-f")
        .arg(&file)
        .arg("--input")
        .arg(&input)
        .arg("--output")
        .arg(&output);
    tokio::task::block_in_place(|| command::output(run.args(["--format", "json"])))?;

    ns.wait_for(NAME, "Complete", Duration::from_secs(180)).await?;
    let outputs = rendered::outputs(cluster, ns).await?;
    ensure!(outputs.len() == pictures.len() * 2, "outputs: {:?}", outputs.keys());
    for (key, bytes) in outputs {
        let local = fs::read(output.join(&key)).with_context(|| format!("the command line made no {key}"))?;
        ensure!(local == bytes, "{key} differs between the command line and the cluster");
    }
    Ok(())
}
