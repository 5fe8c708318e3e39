//! What lies around polars' decoders.

use polars::prelude::{ArrowDataType, PolarsError, PolarsResult};
use polars_arrow::datatypes::Field;

use crate::panic;

/// What an extension type is stored as, such as the bytes of a UUID or the text of JSON.
pub(super) fn storage(field: &Field) -> Field {
    fn stored(dtype: &ArrowDataType) -> ArrowDataType {
        use ArrowDataType as A;
        match dtype {
            A::Extension(extension) => stored(&extension.inner),
            A::List(field) => A::List(Box::new(storage(field))),
            A::LargeList(field) => A::LargeList(Box::new(storage(field))),
            A::FixedSizeList(field, size) => A::FixedSizeList(Box::new(storage(field)), *size),
            A::Map(field, is_sorted) => A::Map(Box::new(storage(field)), *is_sorted),
            A::Struct(fields) => A::Struct(fields.iter().map(storage).collect()),
            other => other.clone(),
        }
    }
    Field { dtype: stored(&field.dtype), ..field.clone() }
}

/// What `decode` gives, or that it panicked: a decoder that meets what it does not expect must not end the program.
pub(super) fn guarded<T>(decode: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    panic::caught(decode)
        .unwrap_or_else(|message| Err(damaged(format!("it is damaged, or has what cannot be read yet ({message})"))))
}

/// An error for what a well-made file has not.
pub(super) fn damaged(what: impl Into<String>) -> PolarsError {
    PolarsError::ComputeError(what.into().into())
}
