//! Sitewarden devices.
