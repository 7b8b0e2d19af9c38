//! Tests of the tests inside rule files: what passes, what fails and how it is told.
