//! Rows in and answers out, at the same time and without end.
//!
//! A thread reads rows from the body, as `bertqa stdin` reads them from a pipe, and queues them. A task waits for
//! their answers, in the rows' order, and writes them out. Between the two is a bounded channel; so a client that
//! does not take its answers is not read from.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::io::{Answered, InputFormat, InputRow, ReadOptions, Row, RowWriter, WriteOptions};
use crate::io::{read_stream, write_stream};
use crate::qa::{Options, RowError};
use crate::serve::app::{Admitted, App, lost};
use crate::serve::body::{self, Share};
use crate::serve::error::{ApiError, InferenceErrors, Kind};
use crate::serve::observe::Rows;
use crate::serve::parameters::Parameters;
use crate::serve::queue::{Ask, Lane, Reply};

/// Parts of a body, in or out, that wait.
const PARTS: usize = 4;

/// Answers are sent in parts of about this size, and sooner where no further one is there.
const PART_BYTES: usize = 64 << 10;

/// What messages call the body.
const NAME: &str = "body";

/// Answer rows as they arrive: JSON Lines or CSV in, JSON Lines out
///
/// One row comes out for each that goes in, in order and with all of its fields, while further ones are still
/// arriving. The body may have any length, and may be compressed (gzip, Zstandard). Read the answers while you send:
/// what is not taken holds back what is read.
#[utoipa::path(
    post,
    path = "/inferences/stream",
    tag = "Answers",
    params(Parameters),
    request_body(content(
        (String = "application/x-ndjson"),
        (String = "application/jsonlines"),
        (String = "text/csv"),
    )),
    responses(
        (status = 200, description = "The rows with their answers", body = String, content_type = "application/x-ndjson"),
        InferenceErrors,
    ),
    security((), ("key" = [])),
)]
pub async fn stream(
    State(app): State<App>,
    admitted: Admitted,
    rows: Rows,
    query: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let format = format(&headers)
        .ok_or_else(|| body::unsupported(&headers, "application/x-ndjson, application/jsonlines or text/csv"))?;
    let Query(parameters) = query.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    answer(app, admitted, rows, &parameters, format, body).await
}

/// The format of a streamed body, if it is one.
pub fn format(headers: &HeaderMap) -> Option<InputFormat> {
    InputFormat::from_media_type(&body::media_type(headers)?).filter(|format| format.is_streamable())
}

/// Answers a body of rows while it arrives.
pub async fn answer(
    app: App,
    admitted: Admitted,
    counter: Rows,
    parameters: &Parameters,
    format: InputFormat,
    body: Body,
) -> Result<Response, ApiError> {
    let options = app.resolve(parameters.parameters())?;
    let stream_rows = app.serving()?.stream_rows;
    let output = Output::default();
    let write = WriteOptions { top_k: options.top_k, ..WriteOptions::default() };
    let writer = write_stream(output.clone(), &write).map_err(ApiError::internal)?;

    let (parts_in, parts) = mpsc::channel(PARTS);
    tokio::spawn(pump(app.clone(), body, parts_in));

    let lane = Arc::new(app.queue.open());
    let (rows_in, rows) = mpsc::channel(stream_rows);
    let (opened_in, opened) = oneshot::channel();
    let reader = Reader { app, lane: lane.clone(), options, runtime: Handle::current(), rows: rows_in };
    let reader =
        tokio::task::spawn_blocking(move || reader.run(Parts { parts, rest: Bytes::new() }, format, opened_in));
    // What is wrong with the start of a body can still be told with a status.
    opened.await.map_err(|_| lost())??;

    let (answers_in, answers) = mpsc::channel(PARTS);
    let writer = Writer { writer, output, rows, answers: answers_in, counter };
    tokio::spawn(async move {
        // Until the last answer is sent, the request has its place, and its rows theirs.
        let _places = (admitted, lane);
        writer.run(reader).await;
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(ReceiverStream::new(answers))).into_response())
}

/// Passes a body on to a thread.
async fn pump(app: App, mut body: Body, parts: mpsc::Sender<io::Result<Bytes>>) {
    while let Some(part) = body::next_part(&mut body, &app.limits).await {
        let broke = part.is_err();
        if parts.send(part).await.is_err() || broke {
            break;
        }
    }
}

/// Reads the body on a thread that may wait for it.
struct Parts {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
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

/// A row whose answer is on its way.
struct Asked {
    row: Row,
    answers: Result<Reply, RowError>,
    /// Of the memory for rows.
    _share: Share,
}

struct Reader {
    app: App,
    lane: Arc<Lane>,
    options: Arc<Options>,
    runtime: Handle,
    rows: mpsc::Sender<Asked>,
}

impl Reader {
    fn run(
        self,
        parts: Parts,
        format: InputFormat,
        opened: oneshot::Sender<Result<(), ApiError>>,
    ) -> anyhow::Result<()> {
        let options = ReadOptions { max_line_bytes: self.app.limits.max_body_bytes.get(), ..ReadOptions::default() };
        let rows = match read_stream(parts, NAME, format, &options) {
            Ok(rows) => rows,
            Err(error) => {
                // Whoever waited for it may be gone.
                let _ = opened.send(Err(unreadable(&error.into())));
                return Ok(());
            }
        };
        let _ = opened.send(Ok(()));
        for row in rows {
            let InputRow { position, record, example } = row?;
            let row = Row { position, record };
            let text = example.as_ref().map_or(0, |example| example.question().len() + example.context().len());
            let share = self.runtime.block_on(self.app.memory.wait(row.bytes() + text));
            let answers = example
                .and_then(|example| self.app.check(example))
                .map(|example| self.lane.push(Ask { example, options: self.options.clone() }));
            if self.rows.blocking_send(Asked { row, answers, _share: share }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn unreadable(error: &anyhow::Error) -> ApiError {
    let is_late = error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut));
    ApiError::new(if is_late { Kind::BodyTimeout } else { Kind::Invalid }, format_args!("{error:#}"))
}

/// What is written and not sent yet.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

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

struct Writer {
    writer: Box<dyn RowWriter>,
    output: Output,
    rows: mpsc::Receiver<Asked>,
    answers: mpsc::Sender<io::Result<Vec<u8>>>,
    counter: Rows,
}

impl Writer {
    /// Writes all answers; where that is not possible, the answer breaks off, which its client can tell.
    async fn run(mut self, reader: JoinHandle<anyhow::Result<()>>) {
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
            let Asked { row, answers, _share } = asked;
            let answers = match answers {
                Ok(mut reply) => match reply.try_recv() {
                    Ok(answers) => answers,
                    Err(oneshot::error::TryRecvError::Empty) => {
                        self.send().await?;
                        reply.await.map_err(|_| lost())?
                    }
                    Err(oneshot::error::TryRecvError::Closed) => return Err(lost().into()),
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
