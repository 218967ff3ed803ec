//! Reads the ImageJob of a manifest file.

use std::{io, path::Path};

use collodion_crds::ImageJob;

use super::Exit;
use crate::manifest::{self, Overrides};

/// The ImageJob in a manifest file; `-` is stdin.
pub(super) fn read(path: &Path, overrides: &Overrides) -> Result<ImageJob, Exit> {
    let name = path.display();
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Exit::caused(&format!("failed to read {name}"), &error))?;
    manifest::load(&text, overrides).map_err(|error| Exit::refused(format!("{name} can't be used:\n{error}")))
}
