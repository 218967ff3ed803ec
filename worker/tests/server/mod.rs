//! A real S3 server on a loopback port, and a network in front of it that fails.

mod certificates;

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::AbortHandle,
};

/// A versitygw over a folder with one bucket, `bucket`, and the mounted Secret `s3` for it. Ends when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) folder: TempDir,
    pub(crate) endpoint: String,
    pub(crate) mounts: PathBuf,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "http", &[])
    }

    /// A server whose certificate is by a private authority, which the mounted ConfigMap `ca` holds.
    pub(crate) fn start_with_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issued = certificates::issue();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let config_map = folder.path().join("mounts/configmaps/ca");
        fs::create_dir_all(&config_map).unwrap();
        fs::write(config_map.join("ca.crt"), issued.authority).unwrap();
        fs::write(&certificate, issued.certificate).unwrap();
        fs::write(&key, issued.key).unwrap();
        let options = [
            "--cert".as_ref(),
            certificate.as_os_str(),
            "--key".as_ref(),
            key.as_os_str(),
        ];
        Self::start_in(folder, "https", &options)
    }

    fn start_in(folder: TempDir, scheme: &str, options: &[&OsStr]) -> Self {
        fs::create_dir_all(folder.path().join("s3/bucket")).unwrap();
        let mounts = folder.path().join("mounts");
        fs::create_dir_all(mounts.join("secrets/s3")).unwrap();
        fs::write(mounts.join("secrets/s3/AWS_ACCESS_KEY_ID"), "tester").unwrap();
        fs::write(mounts.join("secrets/s3/AWS_SECRET_ACCESS_KEY"), "tested").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program())
            .args([
                "--access",
                "tester",
                "--secret",
                "tested",
                "--port",
                &address.to_string(),
            ])
            .args(options)
            .arg("posix")
            .arg(folder.path().join("s3"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "versitygw does not answer");
            sleep(Duration::from_millis(10));
        }
        Self {
            process,
            folder,
            endpoint: format!("{scheme}://{address}"),
            mounts,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server's program, built from the tools modules of the end-to-end tests unless that was done before.
fn program() -> PathBuf {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/tools/build");
    let output = Command::new(build)
        .arg("versitygw")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "versitygw could not be built");
    Path::new(std::str::from_utf8(&output.stdout).unwrap().trim()).join("versitygw")
}

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is reset as soon as a request begins.
    Reset,
    /// The server gets the request, but the answer ends after this many bytes.
    TruncateAfter(usize),
}

/// A TCP proxy whose first connections fail. Ends when dropped.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(server: &Server, fault: Fault, faulty: usize) -> Self {
        let (scheme, target) = server.endpoint.split_once("://").unwrap();
        let target = target.to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let fault = (counter.fetch_add(1, Ordering::SeqCst) < faulty).then_some(fault);
                let target = target.clone();
                tokio::spawn(async move { pass(client, &target, fault).await });
            }
        });
        Self {
            endpoint,
            connections,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, target: &str, fault: Option<Fault>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    match fault {
        None => drop(tokio::io::copy_bidirectional(&mut client, &mut server).await),
        Some(Fault::Reset) => {
            let _ = client.read(&mut [0; 16]).await;
            let _ = client.set_zero_linger();
        }
        Some(Fault::TruncateAfter(bytes)) => {
            let (mut from_client, mut to_client) = client.split();
            let (from_server, mut to_server) = server.split();
            let answer = async {
                let mut begun = from_server.take(bytes.max(1) as u64);
                let mut first = vec![0; bytes.max(1)];
                let mut left = bytes;
                loop {
                    let read = begun.read(&mut first).await.unwrap_or(0);
                    if read == 0 || to_client.write_all(&first[..read.min(left)]).await.is_err() {
                        break;
                    }
                    left -= read.min(left);
                }
            };
            tokio::select! {
                () = answer => {}
                _ = async {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                    std::future::pending::<()>().await;
                } => {}
            }
        }
    }
}
