//! Sitewarden broker.

pub mod wire;
