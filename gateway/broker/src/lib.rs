//! Sitewarden broker.
