//! The binary: exit codes, what it prints where, and its end by signals.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use collodion_crds::wire::{Outcome, Progress};
use serde_json::Value;
use support::{Studio, picture};

const MANIFEST: &str = "
apiVersion: collodion.dev/v1alpha1
kind: ImageJob
metadata: {name: test}
spec:
  storage: {endpoint: http://s3.example.invalid}
  input: {location: s3://photos/}
  output: {location: s3://renditions/}
  renditions:
  - name: thumb
    steps:
    - resize: {width: 16, height: 16, fit: cover}
    encode: {format: webp}
";

fn collodion() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collodion"));
    command
        .env_remove("COLLODION_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// `collodion run` of a manifest on a studio's folders.
fn run(studio: &Studio, manifest: &str, arguments: &[&str]) -> Output {
    let file = studio.path("job.yaml");
    fs::write(&file, manifest).unwrap();
    let mut command = collodion();
    command
        .arg("run")
        .arg("-f")
        .arg(file)
        .arg("--input")
        .arg(studio.path("in"));
    command
        .arg("--output")
        .arg(studio.path("out"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_run_ends_by_saying_where_everything_lies() {
    let studio = Studio::with_pictures(3);
    let output = run(&studio, MANIFEST, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stdout = text(&output.stdout);
    assert!(
        stdout.starts_with("Complete: 3 images, 3 done, 0 skipped, 0 failed"),
        "{stdout}"
    );
    let report = stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("report"))
        .unwrap()
        .trim();
    assert!(fs::read_to_string(report).unwrap().contains("<!doctype html>"));
    assert_eq!(text(&output.stderr), "", "no progress bar off a terminal");
    assert_eq!(studio.outputs().len(), 3);
}

#[test]
fn json_is_one_object_on_stdout() {
    let studio = Studio::with_pictures(2);
    studio.add("x.jpg", b"?");
    let output = run(&studio, MANIFEST, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "one of three is more than 1%");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["state"], "Failed");
    assert_eq!(
        summary["objects"],
        serde_json::json!({"total": 3, "done": 2, "skipped": 0, "failed": 1})
    );
    let failures = summary["failures"].as_str().unwrap().strip_prefix("file://").unwrap();
    assert!(fs::read_to_string(failures).unwrap().contains("NotAnImage"));
    assert!(summary["report"].as_str().unwrap().ends_with("/report.html"));
}

#[test]
fn a_second_run_skips_what_the_first_one_made() {
    let studio = Studio::with_pictures(4);
    run(&studio, MANIFEST, &[]);
    let output = run(&studio, MANIFEST, &[]);
    assert!(
        text(&output.stdout).starts_with("Complete: 4 images, 0 done, 4 skipped"),
        "{output:?}"
    );
}

#[test]
fn a_manifest_that_can_not_be_used_is_refused_with_the_field() {
    let studio = Studio::with_pictures(1);
    for (manifest, said) in [
        (MANIFEST.replace("width: 16", "widht: 16"), "widht"),
        (
            MANIFEST.replace("name: thumb", "name: Thumb"),
            "spec.renditions[0].name",
        ),
        (MANIFEST.replace("kind: ImageJob", "kind: Pod"), "kind: ImageJob"),
        ("{".to_owned(), "YAML"),
    ] {
        let output = run(&studio, &manifest, &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(said), "{output:?}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = collodion()
        .args(["run", "-f", "/nonexistent/job.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nonexistent/job.yaml"));
}

#[test]
fn nothing_to_do_is_an_error() {
    let studio = Studio::new();
    let output = run(&studio, MANIFEST, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("collodion: there is no image under file://"),
        "{output:?}"
    );
}

#[test]
fn render_makes_one_picture_from_stdin_to_stdout() {
    let studio = Studio::new();
    fs::write(studio.path("job.yaml"), MANIFEST).unwrap();
    let render = |rendition: &str| {
        let mut command = collodion();
        command
            .args(["render", "-", "-", "-r", rendition, "-f"])
            .arg(studio.path("job.yaml"));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A child that refuses its arguments may be gone before it is written to.
        let _ = child.stdin.take().unwrap().write_all(&picture(1, 40, 30));
        child.wait_with_output().unwrap()
    };
    let output = render("thumb");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let header = collodion::engine::probe(&output.stdout).unwrap();
    assert_eq!((header.width, header.height), (16, 16));
    let output = render("poster");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("has no rendition poster; it has thumb"),
        "{output:?}"
    );
}

#[test]
fn help_names_every_command_and_what_codes_mean() {
    let help = collodion().arg("--help").output().unwrap();
    for command in ["run", "render", "plan", "shard", "report"] {
        assert!(text(&help.stdout).contains(&format!("\n  {command} ")), "{command}");
    }
    let help = collodion().args(["run", "--help"]).output().unwrap();
    assert!(text(&help.stdout).contains("Exit codes:"));
}

/// A job in phases, as pods run them.
struct Pods {
    studio: Studio,
}

impl Pods {
    /// A planned job of one shard with this many pictures that take a while.
    fn planned(pictures: u32) -> Self {
        let studio = Studio::new();
        for n in 0..pictures {
            studio.add(&format!("{n:03}.png"), &picture(n, 700, 500));
        }
        let job = studio.manifest(|spec| spec["shard"] = serde_json::json!({"objects": 1000}));
        fs::write(studio.path("job.json"), serde_json::to_vec(&job).unwrap()).unwrap();
        let pods = Self { studio };
        let output = pods.phase(&["plan"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(matches!(pods.outcome(), Outcome::Planned { shards: 1, .. }));
        pods
    }

    fn phase(&self, arguments: &[&str]) -> Command {
        let mut command = collodion();
        command.args(arguments).arg("-f").arg(self.studio.path("job.json"));
        command.arg("--termination-log").arg(self.studio.path("termination"));
        command
    }

    fn shard(&self) -> Command {
        let mut command = self.phase(&["shard"]);
        command.env("JOB_COMPLETION_INDEX", "0");
        command
    }

    fn outcome(&self) -> Outcome {
        serde_json::from_slice(&fs::read(self.studio.path("termination")).unwrap()).unwrap()
    }

    /// Waits until some outputs are there and answers their paths.
    fn await_outputs(&self, child: &mut Child) -> Vec<PathBuf> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let outputs = self.studio.outputs();
            if outputs.len() >= 4 {
                return outputs
                    .into_keys()
                    .map(|key| self.studio.path("out").join(key))
                    .collect();
            }
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was ended");
            assert!(Instant::now() < deadline, "no outputs");
            sleep(Duration::from_millis(5));
        }
    }

    /// Finishes the job and holds its counts against what is there.
    fn finish(&self, pictures: u64) {
        let output = self.shard().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let output = self.phase(&["report"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let Outcome::Reported {
            objects,
            bytes,
            within_policy,
            report,
        } = self.outcome()
        else {
            panic!("not reported: {:?}", self.outcome())
        };
        assert_eq!((objects.done, objects.total, within_policy), (pictures, pictures, true));
        let outputs = self.studio.outputs();
        assert_eq!(outputs.len() as u64, 2 * pictures);
        assert_eq!(
            bytes.output,
            outputs.values().map(|bytes| bytes.len() as u64).sum::<u64>()
        );
        assert!(report.ends_with("/report.html"));
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_shard_killed_in_the_middle_is_finished_by_the_next_process() {
    let pods = Pods::planned(60);
    let mut child = pods.shard().spawn().unwrap();
    let made = pods.await_outputs(&mut child);
    signal(&child, "KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    let modified = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let before: Vec<_> = made.iter().map(modified).collect();
    pods.finish(60);
    assert_eq!(
        made.iter().map(modified).collect::<Vec<_>>(),
        before,
        "what was made is not made again"
    );
}

#[test]
fn a_shard_told_to_end_writes_a_checkpoint_and_is_not_done() {
    let pods = Pods::planned(60);
    let mut child = pods.shard().env("POD_UID", "first").spawn().unwrap();
    pods.await_outputs(&mut child);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(matches!(pods.outcome(), Outcome::Interrupted { .. }));
    assert_eq!(pods.studio.job_files("/results/00000/first-0.jsonl").len(), 1);
    assert!(pods.studio.job_files("/done.json").is_empty());
    pods.finish(60);
}

#[test]
fn a_shard_answers_over_http_while_it_works() {
    let pods = Pods::planned(60);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = pods.shard().args(["--listen", &address.to_string()]).spawn().unwrap();
    pods.await_outputs(&mut child);
    let progress: Progress = serde_json::from_str(&get(address, "/progress")).unwrap();
    assert_eq!(progress.objects.total, 60);
    assert_eq!(get(address, "/healthz"), "ok\n");
    let metrics = get(address, "/metrics");
    assert!(metrics.contains("collodion_job_images_planned 60\n"), "{metrics}");
    assert!(
        metrics.contains("collodion_job_images_total{state=\"done\"}"),
        "{metrics}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_refused_phase_says_why_and_ends_with_2() {
    let pods = Pods::planned(1);
    let output = pods.phase(&["shard", "--index", "7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(matches!(pods.outcome(), Outcome::Refused { reason, .. } if reason == "NoSuchShard"));
    fs::write(pods.studio.path("job.json"), "{}").unwrap();
    assert_eq!(pods.phase(&["plan"]).output().unwrap().status.code(), Some(2));
    assert!(matches!(pods.outcome(), Outcome::Refused { reason, .. } if reason == "InvalidJob"));
}
