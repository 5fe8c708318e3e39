//! Messages on stderr.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

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
        return;
    }
    eprintln!("bertqa: {error:#}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
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
        // Where stderr is closed nobody reads it.
        self.bar.suspend(|| {
            let _ = io::Write::write_all(&mut io::stderr(), &self.text);
        });
    }
}
