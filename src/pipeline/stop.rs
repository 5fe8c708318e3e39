use std::io;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select};

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

    /// Runs `work`, on a thread of its own, and gives what it gives. `None` when stopped before: the thread is not waited
    /// for.
    ///
    /// # Errors
    /// If no thread can be started.
    ///
    /// # Panics
    /// As `work` does.
    pub fn unless_stopped<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> io::Result<Option<R>> {
        let (sender, done) = bounded(1);
        thread::Builder::new().name("unless-stopped".to_owned()).spawn(move || {
            // The receiver is gone after a stop.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        })?;
        select! {
            recv(done) -> done => match done {
                Ok(Ok(done)) => Ok(Some(done)),
                Ok(Err(panicked)) => panic::resume_unwind(panicked),
                Err(_) => Ok(None),
            },
            recv(self.signal()) -> _ => Ok(None),
        }
    }

    /// Becomes disconnected when stopped; nothing is ever sent.
    pub(super) fn signal(&self) -> &Receiver<()> {
        &self.receiver
    }
}
