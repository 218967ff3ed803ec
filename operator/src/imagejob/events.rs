//! Events for what a person would want to know. They are read off two statuses that follow one another, so each change
//! is told once, by whoever wrote it.

use collodion_crds::ImageJobStatus;
use kube::runtime::events::{Event, EventType};

use super::{
    conditions::{condition, is_true},
    numbers::counted,
};

/// The events that tell how a status differs from the one before.
pub fn between(old: &ImageJobStatus, new: &ImageJobStatus) -> Vec<Event> {
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
                &format!("{} in {}", counted(objects, "image"), counted(shards, "shard")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imagejob::conditions::Draft;
    use k8s_openapi::jiff::Timestamp;

    fn status(conditions: &[(&str, bool, &str)]) -> ImageJobStatus {
        let mut status = ImageJobStatus::default();
        let mut draft = Draft::new(&mut status, Some(1), Timestamp::UNIX_EPOCH);
        conditions
            .iter()
            .for_each(|(type_, value, reason)| draft.set(type_, *value, reason, "why"));
        status
    }

    fn told(old: &ImageJobStatus, new: &ImageJobStatus) -> Vec<String> {
        between(old, new)
            .into_iter()
            .map(|event| format!("{:?} {}", event.type_, event.reason))
            .collect()
    }

    #[test]
    fn each_change_is_told_once() {
        let none = ImageJobStatus::default();
        let planning = status(&[("Ready", false, "Planning"), ("Suspended", false, "Running")]);
        let stuck = status(&[("Ready", false, "Planning"), ("Stalled", true, "Unschedulable")]);
        let processing = status(&[("Ready", false, "Processing")]);
        let suspended = status(&[("Ready", false, "Suspended"), ("Suspended", true, "Suspended")]);
        let complete = status(&[("Ready", true, "Complete"), ("Complete", true, "Complete")]);
        let failed = status(&[
            ("Ready", false, "Failed"),
            ("Stalled", true, "NoInput"),
            ("Failed", true, "NoInput"),
        ]);
        for (old, new, events) in [
            (&none, &planning, vec!["Normal Planning"]),
            (&planning, &planning, vec![]),
            (&planning, &stuck, vec!["Warning Unschedulable"]),
            (&stuck, &stuck, vec![]),
            (&planning, &processing, vec!["Normal Planned", "Normal Processing"]),
            (&processing, &suspended, vec!["Normal Suspended"]),
            (&suspended, &processing, vec!["Normal Resumed"]),
            (&processing, &complete, vec!["Normal Complete"]),
            (&planning, &failed, vec!["Warning NoInput"]),
            (&failed, &failed, vec![]),
        ] {
            assert_eq!(told(old, new), events, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let event = event(EventType::Normal, "Long", "Test", &"ü".repeat(2000));
        assert!(event.note.is_some_and(|note| note.len() <= 1000));
    }
}
