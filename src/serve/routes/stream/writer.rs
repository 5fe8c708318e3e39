//! Waits for the answers of the rows and writes them, in the rows' order.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::reader::Asked;
use crate::io::{Answered, RowWriter};
use crate::serve::error::Problem;
use crate::serve::observe::Rows;

/// Answers are sent in parts of about this size, and sooner where no further one is there.
const PART_BYTES: usize = 64 << 10;

/// What is written and not sent yet.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Writer {
    pub(super) writer: Box<dyn RowWriter>,
    pub(super) output: Output,
    pub(super) rows: mpsc::Receiver<Asked>,
    pub(super) answers: mpsc::Sender<io::Result<Vec<u8>>>,
    pub(super) counter: Rows,
}

impl Writer {
    /// Writes all answers; where that is not possible, the answer breaks off, which its client can detect.
    pub(super) async fn run(mut self, reader: JoinHandle<anyhow::Result<()>>) {
        let gone = self.answers.clone();
        let written = tokio::select! {
            written = self.write() => written,
            // Nobody takes the answers any more.
            () = gone.closed() => return,
        };
        let ended = match written {
            Ok(()) => match reader.await {
                Ok(read) => read,
                Err(panic) => Err(panic.into()),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            let _ = gone.send(Err(io::Error::other(format!("{error:#}")))).await;
        }
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        loop {
            let asked = match self.rows.try_recv() {
                Ok(asked) => asked,
                Err(_) => {
                    self.send().await?;
                    let Some(asked) = self.rows.recv().await else { return Ok(()) };
                    asked
                }
            };
            let Asked { row, answers, _memory } = asked;
            let answers = match answers {
                Ok(mut reply) => match reply.try_recv() {
                    Ok(answers) => answers,
                    Err(oneshot::error::TryRecvError::Empty) => {
                        self.send().await?;
                        reply.await.map_err(|_| Problem::Lost)?
                    }
                    Err(oneshot::error::TryRecvError::Closed) => return Err(Problem::Lost.into()),
                },
                Err(error) => Err(error),
            };
            self.counter.count(&answers);
            self.writer.write(Answered { row, answers })?;
            self.writer.flush()?;
            if self.output.len() >= PART_BYTES {
                self.send().await?;
            }
        }
    }

    /// Sends what is written.
    async fn send(&mut self) -> anyhow::Result<()> {
        let bytes = self.output.take();
        if bytes.is_empty() {
            return Ok(());
        }
        Ok(self.answers.send(Ok(bytes)).await?)
    }
}
