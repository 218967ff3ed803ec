//! Events for what a person would want to know. They are read off two statuses that follow one another, so each change
//! is told once, by whoever wrote it.

use collodion_crds::{ImageJob, ImageJobStatus};
use kube::runtime::events::{Event, EventType};

use super::status::{condition, is_true};

/// The events that tell how `new` differs from the job's status so far.
pub fn between(job: &ImageJob, new: &ImageJobStatus) -> Vec<Event> {
    let none = ImageJobStatus::default();
    let old = job.status.as_ref().unwrap_or(&none);
    let mut events = Vec::new();
    if let Some(failed) = newly(old, new, "Failed") {
        return vec![event(EventType::Warning, &failed.reason, "Finish", &failed.message)];
    }
    if let Some(complete) = newly(old, new, "Complete") {
        return vec![event(EventType::Normal, "Complete", "Finish", &complete.message)];
    }
    let (before, after) = (state(old), state(new));
    if let Some(suspended) = newly(old, new, "Suspended") {
        events.push(event(EventType::Normal, "Suspended", "Suspend", &suspended.message));
    } else if is_true(old, "Suspended") && !is_true(new, "Suspended") {
        events.push(event(EventType::Normal, "Resumed", "Resume", message(new, "Ready")));
    } else if before != after && !is_true(new, "Stalled") {
        if (before, after) == (Some("Planning"), Some("Processing")) {
            let (objects, shards) = (
                new.objects.unwrap_or_default().total,
                new.shards.unwrap_or_default().total,
            );
            events.push(event(
                EventType::Normal,
                "Planned",
                "Plan",
                &format!("{objects} images in {shards} shards"),
            ));
        }
        let after = after.unwrap_or_default();
        events.push(event(EventType::Normal, after, after, message(new, "Ready")));
    }
    let obstacle = |status| {
        condition(status, "Stalled")
            .filter(|c| c.status == "True")
            .map(|c| c.reason.as_str())
    };
    if let Some(reason) = obstacle(new).filter(|reason| obstacle(old) != Some(*reason)) {
        events.push(event(EventType::Warning, reason, "Wait", message(new, "Stalled")));
    }
    events
}

fn state(status: &ImageJobStatus) -> Option<&str> {
    condition(status, "Ready").map(|condition| condition.reason.as_str())
}

fn message<'a>(status: &'a ImageJobStatus, type_: &str) -> &'a str {
    condition(status, type_).map_or("", |condition| &condition.message)
}

fn newly<'a>(
    old: &ImageJobStatus,
    new: &'a ImageJobStatus,
    type_: &str,
) -> Option<&'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    condition(new, type_).filter(|condition| condition.status == "True" && !is_true(old, type_))
}

/// The API server takes notes of at most 1,024 bytes.
fn event(type_: EventType, reason: &str, action: &str, note: &str) -> Event {
    let end = note.floor_char_boundary(1000);
    Event {
        type_,
        reason: reason.to_owned(),
        action: action.to_owned(),
        note: Some(note[..end].to_owned()),
        secondary: None,
    }
}
