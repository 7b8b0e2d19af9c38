//! Sitewarden identity.
