//! Sitewarden core.
