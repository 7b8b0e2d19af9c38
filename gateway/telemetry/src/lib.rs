//! Sitewarden telemetry.
