//! The parts of a body, from the task that receives them to the thread that reads them.

use std::io::{self, Read};

use axum::body::{Body, Bytes};
use tokio::sync::mpsc;

use crate::serve::app::App;
use crate::serve::body;

/// Passes a body on to a thread.
pub(super) async fn pump(app: App, mut body: Body, parts: mpsc::Sender<io::Result<Bytes>>) {
    while let Some(part) = body::next_part(&mut body, &app.limits).await {
        let broke = part.is_err();
        if parts.send(part).await.is_err() || broke {
            break;
        }
    }
}

/// Reads the body on a thread that may wait for it.
pub(super) struct Parts {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Parts {
    pub(super) fn new(parts: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { parts, rest: Bytes::new() }
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.rest = part?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
