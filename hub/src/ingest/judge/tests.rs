//! Tests of judging.
