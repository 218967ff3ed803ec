//! `report.html`: a page for people that needs no other file.

use askama::Template;
use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;

use super::{Report, merge::Merged, merge::SHOWN_FAILURES, samples::Sample};
use crate::job::{Job, row::Row};

/// The page. Keys and messages come from strangers: the template escapes whatever is put into it.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    state: &'static str,
    started: String,
    finished: String,
    input: String,
    output: String,
    failures: String,
    numbers: Vec<Number>,
    segments: Vec<Segment>,
    renditions: Vec<Vec<String>>,
    reasons: Vec<(&'a str, String)>,
    failed: Vec<Failed<'a>>,
    not_shown: u64,
    samples: Vec<Shown<'a>>,
    slowest: Vec<(String, &'a str, String)>,
    largest: Vec<(String, &'a str, String)>,
}

struct Number {
    name: &'static str,
    value: String,
}

/// A part of the bar that shows what became of the images.
struct Segment {
    class: &'static str,
    percent: String,
}

struct Failed<'a> {
    key: &'a str,
    reason: &'a str,
    message: &'a str,
    rendition: &'a str,
}

struct Shown<'a> {
    key: &'a str,
    pictures: Vec<ShownPicture<'a>>,
}

struct ShownPicture<'a> {
    title: &'a str,
    uri: &'a str,
    size: String,
    bytes: String,
}

/// The page of a report.
pub(super) fn page(job: &Job, report: &Report, merged: &Merged, samples: &[Sample]) -> String {
    let objects = report.objects;
    let seconds = report.finished.duration_since(report.started).as_secs_f64();
    let rate = objects.total as f64 / seconds.max(0.001);
    let number = |name, value| Number { name, value };
    let share = |class, part: u64| Segment {
        class,
        percent: format!("{:.3}", part as f64 * 100.0 / objects.total.max(1) as f64),
    };
    let page = Page {
        report,
        state: if report.within_policy { "Complete" } else { "Failed" },
        started: time(report.started),
        finished: time(report.finished),
        input: job.input.uri(""),
        output: job.output.uri(""),
        failures: job.failures_uri(),
        numbers: vec![
            number("images", count(objects.total)),
            number("done", count(objects.done)),
            number("skipped", count(objects.skipped)),
            number("failed", count(objects.failed)),
            number("read", bytes(report.bytes.input)),
            number("written", bytes(report.bytes.output)),
            number("duration", duration(seconds)),
            number("images a second", format!("{rate:.1}")),
        ],
        segments: vec![
            share("done", objects.done),
            share("skipped", objects.skipped),
            share("failed", objects.failed),
        ],
        renditions: job
            .spec
            .renditions
            .iter()
            .map(|rendition| rendition_row(report, &rendition.name))
            .collect(),
        reasons: report
            .reasons
            .iter()
            .map(|(reason, n)| (reason.as_str(), count(*n)))
            .collect(),
        failed: merged.shown_failures.iter().filter_map(failed).collect(),
        not_shown: objects.failed.saturating_sub(SHOWN_FAILURES as u64),
        samples: samples.iter().map(shown).collect(),
        slowest: merged.slowest.iter().map(extreme).collect(),
        largest: merged.largest.iter().map(extreme).collect(),
    };
    page.render().expect("rendering into memory has no way to fail")
}

fn rendition_row(report: &Report, name: &str) -> Vec<String> {
    let counts = report.renditions.get(name).copied().unwrap_or_default();
    let mean = counts
        .bytes
        .checked_div(counts.written)
        .map_or_else(|| "–".to_owned(), bytes);
    vec![
        name.to_owned(),
        count(counts.written),
        count(counts.kept),
        bytes(counts.bytes),
        mean,
    ]
}

fn failed(row: &Row) -> Option<Failed<'_>> {
    let failure = row.failure.as_ref()?;
    let rendition = failure.rendition.as_deref().unwrap_or_default();
    Some(Failed {
        key: &row.key,
        reason: &failure.reason,
        message: &failure.message,
        rendition,
    })
}

fn shown(sample: &Sample) -> Shown<'_> {
    let pictures = sample.pictures.iter().map(|picture| ShownPicture {
        title: &picture.title,
        uri: &picture.uri,
        size: format!("{} × {}", picture.size.0, picture.size.1),
        bytes: bytes(picture.bytes),
    });
    Shown {
        key: &sample.key,
        pictures: pictures.collect(),
    }
}

fn extreme(row: &Row) -> (String, &str, String) {
    (bytes(row.size), &row.key, duration(row.millis as f64 / 1000.0))
}

fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

fn bytes(n: u64) -> String {
    HumanBytes(n).to_string()
}

fn time(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!([0.25, 61.0, 7260.0].map(duration), ["0.2 s", "1 min 1 s", "2 h 1 min"]);
    }
}
