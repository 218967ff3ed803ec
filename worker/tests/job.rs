//! Jobs over local folders: the protocol of plan, shards and report.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends")]

mod support;

use std::{collections::BTreeSet, fs};

use collodion::{
    engine,
    job::{self, PhaseError, Progress},
};
use serde_json::json;
use support::{Studio, claiming, counts, picture, plan, refusal, report, run, shard};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn every_image_becomes_every_rendition_and_is_counted_once() {
    let studio = Studio::with_pictures(12);
    studio.add("deep/er/ü ñ+%41.png", &picture(99, 33, 50));
    let job = studio.job(|_| {}).await;
    let report = run(&job).await;
    assert_eq!(counts(&report), (13, 0, 0));
    let outputs = studio.outputs();
    assert_eq!(outputs.len(), 26);
    for (key, bytes) in &outputs {
        let header = engine::probe(bytes).unwrap();
        if key.ends_with(".small.webp") {
            assert_eq!(
                (header.format, header.width, header.height),
                (engine::Format::Webp, 16, 16),
                "{key}"
            );
        } else {
            assert_eq!((header.format, header.width), (engine::Format::Png, 20), "{key}");
        }
    }
    assert!(outputs.contains_key("deep/er/ü ñ+%41.png.small.webp"));
    assert_eq!(
        report.bytes.output,
        outputs.values().map(|bytes| bytes.len() as u64).sum::<u64>()
    );
    assert_eq!(report.renditions["same"].written, 13);
    assert_eq!(studio.job_files("/done.json").len(), 3);
    assert_eq!(studio.failures(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_phase_that_runs_again_answers_the_same() {
    let studio = Studio::with_pictures(7);
    let job = studio.job(|_| {}).await;
    let first = run(&job).await;
    let outputs = studio.outputs();
    assert_eq!(plan(&job).await.unwrap().shards, 2);
    assert_eq!(shard(&job, 1, "another").await.unwrap().objects.done, 2);
    assert_eq!(report(&job).await.unwrap(), first);
    assert_eq!(studio.outputs(), outputs);
}

#[tokio::test]
async fn a_second_job_skips_what_is_right_and_makes_what_is_not() {
    let studio = Studio::with_pictures(6);
    assert_eq!(counts(&run(&studio.job(|_| {}).await).await), (6, 0, 0));
    let second = run(&studio.job(|_| {}).await).await;
    assert_eq!(counts(&second), (0, 6, 0));
    assert_eq!((second.bytes.input, second.bytes.output), (0, 0));
    studio.add("00.png", &picture(50, 40, 30));
    fs::remove_file(studio.path("out/01.png.same.png")).unwrap();
    fs::write(studio.path("out/02.png.same.png"), "by hand").unwrap();
    let third = run(&studio.job(|_| {}).await).await;
    assert_eq!(counts(&third), (3, 3, 0));
    assert_eq!(
        (third.renditions["same"].written, third.renditions["same"].kept),
        (3, 3)
    );
    let other_recipe = studio
        .job(|spec| spec["renditions"][1]["encode"] = json!({"quality": 50}))
        .await;
    assert_eq!(counts(&run(&other_recipe).await), (6, 0, 0));
}

#[tokio::test]
async fn existing_says_what_becomes_of_outputs_that_are_there() {
    let studio = Studio::with_pictures(3);
    run(&studio.job(|_| {}).await).await;
    let before = fs::metadata(studio.path("out/00.png.same.png"))
        .unwrap()
        .modified()
        .unwrap();
    let overwrite = run(&studio.job(|spec| spec["output"]["existing"] = json!("Overwrite")).await).await;
    assert_eq!(counts(&overwrite), (3, 0, 0));
    let after = fs::metadata(studio.path("out/00.png.same.png"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(after > before);
    let fail = run(&studio.job(|spec| spec["output"]["existing"] = json!("Fail")).await).await;
    assert_eq!(counts(&fail), (0, 0, 3));
    assert_eq!(fail.reasons.keys().collect::<Vec<_>>(), ["OutputExists"]);
    assert_eq!(
        fs::metadata(studio.path("out/00.png.same.png"))
            .unwrap()
            .modified()
            .unwrap(),
        after
    );
}

#[tokio::test]
async fn bad_images_are_rows_and_the_others_are_done() {
    let studio = Studio::with_pictures(5);
    let good = picture(1, 60, 60);
    studio.add("<script>alert(1)</script>.jpg", b"no image at all");
    studio.add("bomb.png", &claiming(&good, 20_000, 20_000));
    studio.add("half.png", &good[..good.len() / 2]);
    studio.add("large.png", &picture(3, 400, 400));
    let limit = fs::metadata(studio.path("in/large.png")).unwrap().len() - 1;
    let job = studio
        .job(|spec| spec["limits"] = json!({"bytes": limit.to_string()}))
        .await;
    let report = run(&job).await;
    assert_eq!(counts(&report), (5, 0, 4));
    assert!(!report.within_policy);
    assert_eq!(studio.outputs().len(), 10);
    let failures = studio.failures();
    let reason = |key: &str| {
        failures.iter().find(|f| f["key"] == key).unwrap()["reason"]
            .as_str()
            .unwrap()
    };
    assert_eq!(reason("<script>alert(1)</script>.jpg"), "NotAnImage");
    assert_eq!(reason("bomb.png"), "TooManyPixels");
    assert!(["Truncated", "Undecodable"].contains(&reason("half.png")));
    assert_eq!(reason("large.png"), "TooManyBytes");
    let page = fs::read_to_string(&studio.job_files("/report.html")[0]).unwrap();
    assert!(!page.contains("<script"), "keys are escaped");
    assert!(page.contains("data:image/webp;base64,") && page.contains("TooManyPixels"));
}

#[tokio::test]
async fn the_failure_policy_decides_what_is_too_many() {
    let studio = Studio::with_pictures(3);
    studio.add("x.jpg", b"?");
    for (max_failed, within) in [("25%", true), ("24%", false), ("1", true), ("0", false)] {
        let job = studio
            .job(|spec| spec["failurePolicy"] = json!({"maxFailed": max_failed}))
            .await;
        assert_eq!(run(&job).await.within_policy, within, "{max_failed}");
    }
}

#[tokio::test]
async fn sources_that_change_or_go_after_the_plan_are_rows() {
    let studio = Studio::with_pictures(4);
    let job = studio.job(|_| {}).await;
    plan(&job).await.unwrap();
    studio.add("01.png", &picture(50, 40, 30));
    fs::remove_file(studio.path("in/02.png")).unwrap();
    shard(&job, 0, "pod").await.unwrap();
    let report = report(&job).await.unwrap();
    assert_eq!(counts(&report), (2, 0, 2));
    assert_eq!(
        report.reasons.keys().collect::<Vec<_>>(),
        ["SourceChanged", "SourceGone"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_shard_finish_it_once() {
    let studio = Studio::with_pictures(30);
    let job = studio.job(|spec| spec["shard"] = json!({"objects": 100})).await;
    plan(&job).await.unwrap();
    let (a, b, c) = tokio::join!(shard(&job, 0, "a"), shard(&job, 0, "b"), shard(&job, 0, "c"));
    let a = a.unwrap();
    assert_eq!((a, a), (b.unwrap(), c.unwrap()));
    assert_eq!(studio.job_files("/done.json").len(), 1);
    let report = report(&job).await.unwrap();
    assert_eq!(counts(&report), (30, 0, 0));
    assert_eq!(
        report.bytes.output,
        studio.outputs().values().map(|bytes| bytes.len() as u64).sum::<u64>()
    );
}

#[tokio::test]
async fn a_process_told_to_stop_keeps_what_is_finished() {
    let studio = Studio::with_pictures(4);
    let job = studio.job(|_| {}).await;
    plan(&job).await.unwrap();
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    stop.cancel();
    let stopped = job::shard::process(&job, 0, "first", &progress, &stop).await;
    assert!(matches!(stopped, Err(PhaseError::Stopped)), "{stopped:?}");
    let early = report(&job).await;
    assert!(matches!(early, Err(PhaseError::Unready(_))), "{early:?}");
    assert_eq!(shard(&job, 0, "second").await.unwrap().objects.done, 4);
    assert_eq!(counts(&report(&job).await.unwrap()), (4, 0, 0));
}

#[tokio::test]
async fn a_planner_adopts_the_shards_of_an_earlier_one() {
    let studio = Studio::with_pictures(12);
    let job = studio.job(|_| {}).await;
    plan(&job).await.unwrap();
    fs::remove_file(&studio.job_files("/plan.json")[0]).unwrap();
    fs::remove_file(&studio.job_files("/shard-00002.jsonl")[0]).unwrap();
    studio.add("00-late.png", &picture(70, 40, 30));
    studio.add("98.png", &picture(71, 40, 30));
    assert_eq!(plan(&job).await.unwrap().objects, 13);
    let mut keys = Vec::new();
    for file in studio.job_files(".jsonl") {
        for line in fs::read_to_string(file).unwrap().lines() {
            keys.push(
                serde_json::from_str::<serde_json::Value>(line).unwrap()["key"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    let once: BTreeSet<_> = keys.iter().collect();
    assert_eq!((keys.len(), once.len()), (13, 13));
    assert!(
        !once.contains(&"00-late.png".to_owned()),
        "it came after its shard was cut"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_that_race_agree_on_one_plan() {
    let studio = Studio::with_pictures(20);
    let job = studio.job(|spec| spec["shard"] = json!({"objects": 1})).await;
    let (a, b, c) = tokio::join!(plan(&job), plan(&job), plan(&job));
    let a = a.unwrap();
    assert_eq!((a.shards, a.objects), (20, 20));
    assert_eq!((a, a), (b.unwrap(), c.unwrap()));
}

#[tokio::test]
async fn outputs_and_files_of_jobs_are_never_inputs() {
    let studio = Studio::with_pictures(3);
    let inside = format!("file://{}/made/", studio.path("in").display());
    for _ in 0..2 {
        let job = studio.job(|spec| spec["output"]["location"] = json!(inside)).await;
        assert_eq!(plan(&job).await.unwrap().objects, 3);
        shard(&job, 0, "pod").await.unwrap();
    }
    let holding = format!("file://{}/", studio.path("").display());
    let (reason, message) = refusal(plan(&*studio.job(|spec| spec["output"]["location"] = json!(holding)).await).await);
    assert_eq!(reason, "OutputHoldsInput", "{message}");
}

#[tokio::test]
async fn two_images_that_want_one_output_are_refused_by_name() {
    let studio = Studio::with_pictures(1);
    studio.add("a/x.png", &picture(1, 9, 9));
    studio.add("b/x.png", &picture(2, 9, 9));
    let job = studio
        .job(|spec| spec["output"]["key"] = json!("{stem}.{rendition}.{ext}"))
        .await;
    let (reason, message) = refusal(plan(&job).await);
    assert_eq!(reason, "OutputCollision");
    assert!(
        message.contains("a/x.png") && message.contains("b/x.png") && message.contains("x.small.webp"),
        "{message}"
    );
}

#[tokio::test]
async fn an_output_of_another_image_of_the_job_is_never_overwritten() {
    let studio = Studio::new();
    // Both are PNGs and become x.same.png; by their names they would be told apart.
    studio.add("x.jpg", &picture(1, 9, 9));
    studio.add("x.png", &picture(2, 9, 9));
    let job = studio
        .job(|spec| {
            spec["output"]["key"] = json!("{stem}.{rendition}.{ext}");
            spec["renditions"] = json!([{"name": "same"}]);
        })
        .await;
    let report = run(&job).await;
    assert_eq!(counts(&report), (1, 0, 1));
    assert_eq!(report.reasons.keys().collect::<Vec<_>>(), ["OutputCollision"]);
}

#[tokio::test]
async fn nothing_to_do_is_refused_saying_what_was_looked_for() {
    let studio = Studio::with_pictures(2);
    let (reason, message) = refusal(plan(&*studio.job(|spec| spec["input"]["include"] = json!(["*.jpg"])).await).await);
    assert_eq!(reason, "NoInput");
    assert!(message.contains("*.jpg") && message.contains("/in/"), "{message}");
    let missing = format!("file://{}/", studio.path("none").display());
    let (reason, message) = refusal(plan(&*studio.job(|spec| spec["input"]["location"] = json!(missing)).await).await);
    assert_eq!(reason, "InputNotFound");
    assert!(message.contains(&missing), "{message}");
}

#[tokio::test]
async fn results_that_were_tampered_with_are_not_reported() {
    let studio = Studio::with_pictures(3);
    let job = studio.job(|_| {}).await;
    plan(&job).await.unwrap();
    shard(&job, 0, "pod").await.unwrap();
    let checkpoint = &studio.job_files("/pod-0.jsonl")[0];
    let text = fs::read_to_string(checkpoint).unwrap();
    fs::write(
        checkpoint,
        text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    assert_eq!(refusal(report(&job).await).0, "ResultsDisagree");
    assert!(studio.job_files("/report.json").is_empty());
}

#[tokio::test]
async fn a_shard_that_was_tampered_with_is_not_worked_on() {
    let studio = Studio::with_pictures(3);
    let job = studio.job(|_| {}).await;
    plan(&job).await.unwrap();
    fs::write(
        &studio.job_files("/shard-00000.jsonl")[0],
        "{\"key\":\"00.png\",\"size\":1,\"etag\":\"\"}\n",
    )
    .unwrap();
    assert_eq!(refusal(shard(&job, 0, "pod").await).0, "CorruptJobFile");
    assert!(studio.outputs().is_empty());
}
