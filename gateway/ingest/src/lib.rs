//! Sitewarden ingest.
