//! `bertqa serve`, asked by real clients, good and bad.

mod answers;
mod drain;
mod limits;
mod safety;
mod shapes;
mod sharing;
mod stream;
pub(crate) mod support;
