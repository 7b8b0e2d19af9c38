//! Sitewarden pki.
