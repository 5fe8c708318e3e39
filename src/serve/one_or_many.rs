use serde::Serialize;
use utoipa::ToSchema;

/// An object, or a list of them
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// A list, or the only element of `many`.
    pub(super) fn new(mut many: Vec<T>, is_list: bool) -> Self {
        match many.pop() {
            Some(one) if !is_list && many.is_empty() => Self::One(one),
            last => {
                many.extend(last);
                Self::Many(many)
            }
        }
    }
}
