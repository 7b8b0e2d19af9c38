//! Tests of projecting.
