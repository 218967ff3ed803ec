//! Container images without a container engine: an image is one layer of given files, written as an archive in the
//! OCI image layout (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// What a container image is made of.
#[derive(Clone, Debug)]
pub struct Image {
    /// Reference that pods name it by.
    pub reference: String,
    /// Absolute path of the program in the image that containers run.
    pub entrypoint: String,
    /// Files: where they lie in the image (absolute) and where they come from.
    pub files: Vec<(String, PathBuf)>,
}

impl Image {
    /// Writes the image below a folder, unless the very same lies there already, and returns the archive's path.
    ///
    /// # Errors
    /// When a file can't be read or the archive not be written.
    pub fn archive(&self, folder: &Path) -> Result<PathBuf> {
        let archive = folder.join(format!("{}.tar", self.digest()?));
        if !archive.exists() {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
            let partial = folder.join(format!(".partial-{}", std::process::id()));
            self.write(&partial)
                .with_context(|| format!("failed to write the image {}", self.reference))?;
            fs::rename(&partial, &archive).context("failed to put the image in its place")?;
        }
        Ok(archive)
    }

    /// A hash of everything that decides the archive.
    fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(json!([self.reference, self.entrypoint]).to_string());
        for (target, source) in &self.files {
            let content = fs::read(source).with_context(|| format!("failed to read {}", source.display()))?;
            hash.update(json!([target, content.len()]).to_string());
            hash.update(content);
        }
        Ok(hex(hash))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let layer_path = path.with_extension("layer");
        let mut layer = Builder::new(Hashing {
            file: File::create(&layer_path)?,
            hash: Sha256::new(),
            size: 0,
        });
        self.write_layer(&mut layer)?;
        let Hashing { hash, size, .. } = layer.into_inner()?;
        let layer_digest = hex(hash);

        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Entrypoint": [self.entrypoint], "User": "65532:65532", "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        });
        let config = blob("application/vnd.oci.image.config.v1+json", &config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor,
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": format!("sha256:{layer_digest}"),
                "size": size,
            }],
        });
        let mut manifest = blob("application/vnd.oci.image.manifest.v1+json", &manifest);
        manifest.descriptor["annotations"] = json!({"io.containerd.image.name": self.reference});
        let index = json!({"schemaVersion": 2, "manifests": [manifest.descriptor]});

        let mut archive = Builder::new(File::create(path)?);
        append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut archive, "index.json", index.to_string().as_bytes())?;
        for blob in [config, manifest] {
            append(&mut archive, &format!("blobs/sha256/{}", blob.digest), &blob.bytes)?;
        }
        let mut header = header(EntryType::Regular, 0o644, size);
        archive.append_data(
            &mut header,
            format!("blobs/sha256/{layer_digest}"),
            File::open(&layer_path)?,
        )?;
        archive.finish()?;
        fs::remove_file(&layer_path).context("failed to remove the layer's own file")
    }

    fn write_layer(&self, layer: &mut Builder<impl Write>) -> Result<()> {
        let mut folders = std::collections::BTreeSet::from([Path::new("tmp")]);
        for (target, _) in &self.files {
            let parents = Path::new(target.trim_start_matches('/')).ancestors().skip(1);
            folders.extend(parents.filter(|folder| !folder.as_os_str().is_empty()));
        }
        for folder in folders {
            let mode = if folder == Path::new("tmp") { 0o1777 } else { 0o755 };
            layer.append_data(&mut header(EntryType::Directory, mode, 0), folder, io::empty())?;
        }
        for (target, source) in &self.files {
            let mut content = Vec::new();
            File::open(source)?.read_to_end(&mut content)?;
            let mut header = header(EntryType::Regular, 0o755, content.len() as u64);
            layer.append_data(&mut header, target.trim_start_matches('/'), content.as_slice())?;
        }
        Ok(())
    }
}

struct Blob {
    bytes: Vec<u8>,
    digest: String,
    descriptor: Value,
}

fn blob(media_type: &str, content: &Value) -> Blob {
    let bytes = content.to_string().into_bytes();
    let digest = hex(Sha256::new_with_prefix(&bytes));
    let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
    Blob {
        bytes,
        digest,
        descriptor,
    }
}

fn append(archive: &mut Builder<File>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = header(EntryType::Regular, 0o644, content.len() as u64);
    Ok(archive.append_data(&mut header, name, content)?)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
