//! Remedies for servers that cannot start.

use std::error::Error;

use crate::serve::ConfigError;

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match error.downcast_ref()? {
        ConfigError::Rows { .. } => "lower --max-rows or raise --max-queued-rows",
        ConfigError::Bytes { .. } => "lower --max-body-bytes or raise --max-buffered-bytes",
        ConfigError::EmptyApiKey | ConfigError::UnprintableApiKey => "change --api-key, or the variable BERTQA_API_KEY",
        ConfigError::Origin(_) => "give --cors-origin a scheme and a host, without a path, or *",
        ConfigError::Listen { .. } => "choose another address with --host and --port",
    };
    Some(hint.to_owned())
}
