//! Writes the generated CustomResourceDefinitions into the folder given as the only argument.

use std::{env, fs, path::PathBuf};

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).expect("usage: crdgen FOLDER"));
    for (name, yaml) in collodion_crds::manifests() {
        fs::write(folder.join(name), yaml)?;
    }
    Ok(())
}
