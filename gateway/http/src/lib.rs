//! Sitewarden http.
