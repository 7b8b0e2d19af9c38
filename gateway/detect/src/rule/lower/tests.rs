//! Tests of lowering: what a rule's text becomes, and mistakes with their place.
