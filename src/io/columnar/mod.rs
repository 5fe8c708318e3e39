//! Columns with types: their values as JSON, and the types that JSON values need.

pub(crate) mod json;
pub(crate) mod metadata;
pub(crate) mod schema;
