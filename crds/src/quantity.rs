//! Counts, sizes and shares as people write them in manifests: `50M`, `20Mi`, `1%`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A whole, non-negative amount (bytes, pixels) in Kubernetes' quantity notation: digits with an optional
/// decimal (`k`, `M`, `G`, `T`) or binary (`Ki`, `Mi`, `Gi`, `Ti`) suffix. At most 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u64);

/// The part of a job's objects that may fail: a count (`10`) or a share of all of them (`1%`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// At most this many objects.
    Count(u32),
    /// At most this share of all objects, in percent from 0 to 100.
    Percent(u8),
}

/// Text that is no quantity or tolerance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseQuantityError {
    text: String,
    expected: &'static str,
}

const SUFFIXES: [(&str, u64); 9] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

// === impl Quantity ===

impl Quantity {
    /// An amount given as a plain number.
    pub const fn new(amount: u64) -> Self {
        Self(amount)
    }

    /// The amount as a plain number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseQuantityError {
            text: text.to_owned(),
            expected: "a quantity: write digits and one of k, M, G, T, Ki, Mi, Gi, Ti, as in 20Mi",
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let (_, factor) = SUFFIXES.iter().find(|(s, _)| *s == suffix).ok_or_else(error)?;
        let amount = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(*factor))
            .ok_or_else(error)?;
        if amount > i64::MAX as u64 {
            Err(error())
        } else {
            Ok(Self(amount))
        }
    }
}

impl fmt::Display for Quantity {
    /// The shortest exact notation, binary suffixes first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SUFFIXES
            .iter()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
        {
            Some((suffix, factor)) => write!(f, "{}{suffix}", self.0 / factor),
            None => f.write_str("0"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        int_or_string(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": "^([0-9]{1,18}|[0-9]{1,15}(k|Ki)|[0-9]{1,12}(M|Mi)|[0-9]{1,9}(G|Gi)|[0-9]{1,6}(T|Ti))$",
            "minimum": 0,
            "maxLength": 20,
        })
    }
}

// === impl Tolerance ===

impl Tolerance {
    /// Whether `failed` of `total` objects is still within the tolerance.
    pub fn allows(self, failed: u64, total: u64) -> bool {
        match self {
            Self::Count(count) => failed <= u64::from(count),
            Self::Percent(percent) => u128::from(failed) * 100 <= u128::from(total) * u128::from(percent),
        }
    }
}

impl FromStr for Tolerance {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseQuantityError {
            text: text.to_owned(),
            expected: "a count such as 10 or a share from 0% to 100%",
        };
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().map_err(|_| error())?;
                if percent > 100 {
                    Err(error())
                } else {
                    Ok(Self::Percent(percent))
                }
            }
            None => text.parse().map(Self::Count).map_err(|_| error()),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Tolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        int_or_string(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Tolerance {
    fn schema_name() -> Cow<'static, str> {
        "Tolerance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": "^([0-9]{1,9}|([0-9]|[1-9][0-9]|100)%)$",
            "minimum": 0,
            "maximum": 1_000_000_000,
            "maxLength": 10,
        })
    }
}

fn int_or_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum IntOrString {
        Int(u64),
        String(String),
    }
    Ok(match IntOrString::deserialize(deserializer)? {
        IntOrString::Int(int) => int.to_string(),
        IntOrString::String(string) => string,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_mean_what_kubernetes_says() {
        for (text, amount) in [
            ("0", 0),
            ("7", 7),
            ("50M", 50_000_000),
            ("20Mi", 20 << 20),
            ("2Gi", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(Quantity(amount)), "{text}");
        }
        for text in ["", "Mi", "-1", "1.5Gi", "10 Mi", "5Pi", "9999999T", "１"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_tolerance_is_a_count_or_a_share() {
        assert!(Tolerance::Count(3).allows(3, 10) && !Tolerance::Count(3).allows(4, 10));
        assert!(Tolerance::Percent(1).allows(1, 100) && !Tolerance::Percent(1).allows(1, 99));
        assert!(Tolerance::Percent(0).allows(0, 0));
        for text in ["101%", "-1", "1.5%", "%", ""] {
            assert!(text.parse::<Tolerance>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_quantity_survives_being_written(amount in 0..=i64::MAX as u64) {
            prop_assert_eq!(Quantity(amount).to_string().parse(), Ok(Quantity(amount)));
        }

        #[test]
        fn no_text_panics_the_parsers(text in ".*") {
            let _ = text.parse::<Quantity>();
            let _ = text.parse::<Tolerance>();
        }
    }
}
