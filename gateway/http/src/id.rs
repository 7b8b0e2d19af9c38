//! Numbers that identify rows, as the API writes them: decimal text.
//!
//! JSON numbers lose precision beyond 2^53 in browsers, so no id is ever a number. Invariant: what is written is read
//! back as the same id, and nothing else is read.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A row's number; text in JSON and in paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // SQLite's integers end at 2^63 - 1, so no row has a larger number.
        let number = text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        number
            .filter(|_| plain)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("an id is a decimal number as text"))
    }
}

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,18}$")).into()
    }
}

impl ToSchema for Id {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_text_and_nothing_else_is_an_id() {
        assert_eq!(
            serde_json::to_string(&Id(9_007_199_254_740_993)).expect("written"),
            "\"9007199254740993\""
        );
        assert_eq!(serde_json::from_str::<Id>("\"12\"").expect("read"), Id(12));
        for text in [
            "12",
            "\"-1\"",
            "\"\"",
            "\"+1\"",
            "\"1.0\"",
            "\"99999999999999999999\"",
            "\"9223372036854775808\"",
        ] {
            assert!(serde_json::from_str::<Id>(text).is_err(), "{text}");
        }
    }
}
