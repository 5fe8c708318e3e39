//! What the fuzz targets share: what counts as a failure, and what must hold of every input.

mod answer;
mod columnar;
mod json;
mod memory;
mod model;
mod panic;
mod rows;
mod scratch;
mod server;
mod text;

pub use answer::ask;
pub use columnar::check_file;
pub use json::mutate_json;
pub use model::ModelFolder;
pub use panic::fail_on_own_panics;
pub use scratch::Scratch;
pub use server::Server;
pub use text::{check_csv_copy, check_text};
