//! Sitewarden store.
