//! Sitewarden policy.
