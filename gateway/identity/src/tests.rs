//! Tests of the identity slice.
