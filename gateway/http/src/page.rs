//! Pages of a list: `{"items": [..], "next": cursor or null}`.
//!
//! Lists are walked by key, so that a row that appears meanwhile neither repeats nor hides another. Invariant: a page
//! has at most the asked number of items, and `next` is null exactly at the end.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::cursor;
use crate::error::ApiError;
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// Which page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// Items per page.
    ///
    /// # Errors
    /// 400 for zero and for more than [`PAGE_MAX`].
    pub fn limit(&self) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if limit == 0 || limit > PAGE_MAX {
            return Err(ApiError::bad_request(
                "bad-limit",
                format!("limit is {limit}; give 1 to {PAGE_MAX}."),
            ));
        }
        Ok(limit as usize)
    }

    /// The key after which the page begins; `None` for the first page.
    ///
    /// # Errors
    /// 400 for a cursor that is not one of this list.
    pub fn after<K: DeserializeOwned>(&self, list: &str) -> Result<Option<K>, ApiError> {
        self.cursor.as_deref().map(|text| cursor::decode(list, text)).transpose()
    }
}

impl<T: ToSchema> Page<T> {
    /// Makes a page of up to `limit` items out of up to `limit + 1` rows: the extra row only tells that there is more.
    #[must_use]
    pub fn cut<K: Serialize>(list: &str, mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| cursor::encode(list, &key(last)));
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_row_makes_a_cursor_and_its_absence_ends_the_list() {
        let page = Page::cut("numbers", vec![1_u64, 2, 3], 2, |number| *number);
        assert_eq!(page.items, [1, 2]);
        let query = PageQuery { cursor: page.next, limit: Some(2) };
        assert_eq!(query.after::<u64>("numbers"), Ok(Some(2)));
        assert_eq!(Page::cut("numbers", vec![1_u64, 2], 2, |number| *number).next, None);
    }

    #[test]
    fn limits_out_of_range_are_refused() {
        let with = |limit| PageQuery { limit, cursor: None }.limit();
        assert_eq!((with(None), with(Some(200))), (Ok(50), Ok(200)));
        assert!(with(Some(0)).is_err() && with(Some(201)).is_err());
    }
}
