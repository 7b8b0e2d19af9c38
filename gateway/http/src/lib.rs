//! What every HTTP route shares: errors as problem+json, extractors, paging, who is asking, and the layers.
//!
//! No routes and no sign-in: routes belong to the slices, the [`Caller`] is put into the request by the identity slice's
//! middleware. Invariants: no plain-text error leaves the API; every answer has a request id; a request
//! without a [`Caller`] is refused by every handler that takes one.

pub mod caller;
pub mod cursor;
pub mod error;
pub mod extract;
pub mod id;
pub mod layers;
pub mod limits;
pub mod page;
pub mod request_id;

pub use caller::Caller;
pub use error::{ApiError, Problem};
pub use extract::{Json, Path, Query};
pub use id::Id;
pub use layers::{Settings, harden};
pub use page::{Page, PageQuery};
