//! Credentials from a mounted Secret.

use std::{io, path::PathBuf};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

/// Reads a mounted Secret's files for every request: they are small, and a rotation is then never missed.
#[derive(Debug)]
pub(super) struct MountedCredentials {
    folder: PathBuf,
}

impl MountedCredentials {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    async fn read(&self) -> Result<Credentials, CredentialsError> {
        let id = self
            .file("AWS_ACCESS_KEY_ID")
            .await
            .map_err(CredentialsError::not_loaded)?;
        let secret = self
            .file("AWS_SECRET_ACCESS_KEY")
            .await
            .map_err(CredentialsError::not_loaded)?;
        let token = self
            .file("AWS_SESSION_TOKEN")
            .await
            .ok()
            .filter(|token| !token.is_empty());
        Ok(Credentials::new(id, secret, token, None, "mounted Secret"))
    }

    /// A file without the white space around its text: a final newline is the commonest mistake in a Secret.
    async fn file(&self, name: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        let text = tokio::fs::read_to_string(&path).await;
        text.map(|text| text.trim().to_owned())
            .map_err(|error| io::Error::new(error.kind(), format!("failed to read {}: {error}", path.display())))
    }
}

impl ProvideCredentials for MountedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.read())
    }
}
