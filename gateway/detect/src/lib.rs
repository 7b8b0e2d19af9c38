//! Sitewarden detect.
