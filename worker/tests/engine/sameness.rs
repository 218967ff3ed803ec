//! sameness
