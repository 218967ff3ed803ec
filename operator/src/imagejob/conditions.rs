//! Conditions of a status: finding and setting them.

use collodion_crds::ImageJobStatus;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// A condition of a status by its type.
pub fn condition<'a>(status: &'a ImageJobStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition of a status is true.
pub fn is_true(status: &ImageJobStatus, type_: &str) -> bool {
    condition(status, type_).is_some_and(|condition| condition.status == "True")
}

/// Whether a job is over, and so never runs again.
pub fn is_terminal(status: &ImageJobStatus) -> bool {
    is_true(status, "Complete") || is_true(status, "Failed")
}

/// Seconds suffice, and survive being stored.
pub fn time(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Conditions being set.
pub struct Draft<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Draft<'a> {
    /// Starts on the conditions of a status, which from now on speaks of `generation`.
    pub fn new(status: &'a mut ImageJobStatus, generation: Option<i64>, now: Timestamp) -> Self {
        status.observed_generation = generation;
        Self {
            conditions: &mut status.conditions,
            generation,
            now,
        }
    }

    /// Sets a condition. Its transition time stays unless its value changes.
    pub fn set(&mut self, type_: &str, value: bool, reason: &str, message: &str) {
        let value = if value { "True" } else { "False" };
        let before = self.conditions.iter().position(|condition| condition.type_ == type_);
        let unchanged = before
            .map(|i| &self.conditions[i])
            .filter(|condition| condition.status == value);
        let condition = Condition {
            type_: type_.to_owned(),
            status: value.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: unchanged.map_or_else(|| time(self.now), |c| c.last_transition_time.clone()),
        };
        match before {
            Some(i) => self.conditions[i] = condition,
            None => self.conditions.push(condition),
        }
    }
}
