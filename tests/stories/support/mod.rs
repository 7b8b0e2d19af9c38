//! What the stories share: the gateway as a process, its clients, the peers, waiting.
//!
//! No assertions about the product here; they belong into the stories. Everything started is ended by its
//! own process id when its value is dropped.

pub(crate) mod agent;
pub(crate) mod bridge;
pub(crate) mod browser;
pub(crate) mod bytes;
pub(crate) mod cloud;
pub(crate) mod data;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod mosquitto;
pub(crate) mod mount;
pub(crate) mod mqtt;
pub(crate) mod need;
pub(crate) mod network;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod trace;
pub(crate) mod wait;
pub(crate) mod wire;
