//! The pipeline under trouble: it ends, and says why; and in calm: nothing lost, nothing twice, in order.

mod calm;
mod failover;
mod packing;
mod recovery;
mod support;
mod trouble;
