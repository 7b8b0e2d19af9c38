//! The site log as a format: records and their leaf hashes, the RFC 6962 tree, proofs, signed checkpoints, batches.
//!
//! Shared by the box, which writes the log, and by the cloud, which checks it. Pure: no store, no socket, no clock.
