//! Sitewarden findings.
