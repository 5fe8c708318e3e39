//! Messages on stderr.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use indicatif::ProgressBar;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::args::{LogFormat, MessageArgs};
use super::hint;

/// How messages are written, once a command has said so.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Sends messages to stderr, above the progress bar where there is one.
pub(super) fn start(args: &MessageArgs, bar: &ProgressBar) {
    FORMAT.get_or_init(|| args.log_format);
    let level = if args.quiet { LevelFilter::ERROR } else { LevelFilter::INFO };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(Above(bar.clone()));
    match args.log_format {
        LogFormat::Text => builder.without_time().init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
    }
}

/// Says why the command failed, and what can be done about it.
pub(super) fn error(error: &anyhow::Error) {
    let hint = hint::of(error);
    if FORMAT.get() == Some(&LogFormat::Json) {
        tracing::error!(hint, "{error:#}");
        flush();
        return;
    }
    say(format!("bertqa: {error:#}\n").as_bytes());
    if let Some(hint) = hint {
        say(format!("hint: {hint}\n").as_bytes());
    }
}

/// Writes messages so that a progress bar is drawn again below them.
#[derive(Clone)]
struct Above(ProgressBar);

impl<'a> MakeWriter<'a> for Above {
    type Writer = AboveWriter;

    fn make_writer(&'a self) -> Self::Writer {
        AboveWriter { bar: self.0.clone(), text: Vec::new() }
    }
}

/// Collects one message, and writes it when it is dropped.
struct AboveWriter {
    bar: ProgressBar,
    text: Vec<u8>,
}

impl io::Write for AboveWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AboveWriter {
    fn drop(&mut self) {
        let text = one_line(std::mem::take(&mut self.text));
        match QUEUE.get() {
            // A message that does not fit is lost: answers are worth more.
            Some(queue) => drop(queue.try_send(Message::Text(text))),
            None => self.bar.suspend(|| say(&text)),
        }
    }
}

/// A message without line breaks but the last: names of fields may have some.
fn one_line(text: Vec<u8>) -> Vec<u8> {
    let message = text.strip_suffix(b"\n").unwrap_or(&text);
    if !message.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return text;
    }
    let message = String::from_utf8_lossy(message).replace('\n', "\\n").replace('\r', "\\r");
    (message + "\n").into_bytes()
}

/// Messages of a server on their way to stderr.
static QUEUE: OnceLock<Sender<Message>> = OnceLock::new();

/// So many messages may wait for a reader of stderr that is slow.
const WAITING: usize = 8192;

enum Message {
    Text(Vec<u8>),
    /// Answered when all before it is written.
    Flush(Sender<()>),
}

/// From now on messages wait for stderr, and nobody else does: who reads it may stall.
pub(super) fn never_wait() {
    let (queue, messages) = bounded(WAITING);
    let write = move || {
        for message in messages {
            match message {
                Message::Text(text) => say(&text),
                Message::Flush(done) => drop(done.send(())),
            }
        }
    };
    if thread::Builder::new().name("log".to_owned()).spawn(write).is_ok() {
        let _ = QUEUE.set(queue);
    }
}

/// Waits until stderr has what was said, unless that takes too long.
pub(super) fn flush() {
    const LONGEST: Duration = Duration::from_secs(1);
    let Some(queue) = QUEUE.get() else { return };
    let (done_in, done) = bounded(1);
    if queue.try_send(Message::Flush(done_in)).is_ok() {
        let _ = done.recv_timeout(LONGEST);
    }
}

/// Writes to stderr; where that is closed or full, nobody reads it.
pub(super) fn say(text: &[u8]) {
    let _ = io::Write::write_all(&mut io::stderr(), text);
}
