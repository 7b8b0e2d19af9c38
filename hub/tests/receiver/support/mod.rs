//! What the tests share: PostgreSQL, the hub as a process, a gateway as its client, waiting.
//!
//! Everything started is ended by its own process id when its value is dropped.

pub(crate) mod api;
pub(crate) mod hub;
pub(crate) mod postgres;
pub(crate) mod site;
pub(crate) mod wait;
