use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

/// Ends the input early: no further row is taken, and those that were taken are finished.
///
/// Clones share their state. It works while the reader waits for input that never comes, as on a terminal or a pipe.
#[derive(Clone)]
pub struct Stop {
    /// Dropped to stop: a disconnected channel wakes every stage that waits on it.
    sender: Arc<Mutex<Option<Sender<()>>>>,
    receiver: Receiver<()>,
}

impl Default for Stop {
    fn default() -> Self {
        let (sender, receiver) = bounded(0);
        Self { sender: Arc::new(Mutex::new(Some(sender))), receiver }
    }
}

impl Stop {
    /// Takes no further row from the input.
    pub fn stop(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Becomes disconnected when stopped; nothing is ever sent.
    pub(super) fn signal(&self) -> &Receiver<()> {
        &self.receiver
    }
}
