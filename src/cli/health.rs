use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ureq::Agent;

use super::Status;

/// Ask a running server whether it answers
///
/// This is GET /ready of `bertqa serve`: not before the model is loaded, nor while it is loaded again after a failure, nor
/// while the server shuts down. Without options it asks the server on this machine, where BERTQA_HOST and BERTQA_PORT say,
/// as `serve` reads them: the health check of a container needs no other program.
///
/// The exit status is 0 if the server is ready, and 1 if it is not, or says nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa health
  bertqa health --port 9000
  bertqa health --url http://10.0.0.7:8080 --timeout 2
  docker run --health-cmd 'bertqa health' ...")]
pub(super) struct Args {
    /// Where the server is, instead of --host and --port
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Address that the server listens on; one that stands for all is asked as localhost
    #[arg(long, default_value = "127.0.0.1", env = "BERTQA_HOST")]
    host: String,

    /// Port that it listens on
    #[arg(long, default_value = "8080", env = "BERTQA_PORT")]
    port: u16,

    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// A server that does not answer questions now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unhealthy {
    #[error("{url}: status {status}: {text}")]
    NotReady { url: String, status: u16, text: String },
    #[error("{url}: {source}")]
    Silent { url: String, source: ureq::Error },
}

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match error.downcast_ref()? {
        Unhealthy::NotReady { .. } => {
            "the log of the server says what it waits for; a large model takes minutes to load"
        }
        Unhealthy::Silent { .. } => "name the place of the server with --host and --port, or --url",
    };
    Some(hint.to_owned())
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    let base = args.url.unwrap_or_else(|| format!("http://{}:{}", reachable(&args.host), args.port));
    let url = format!("{}/ready", base.trim_end_matches('/'));
    let text = ask(&url, Duration::from_secs(args.timeout))?;
    super::print(format!("{url}: {text}\n").as_bytes())?;
    Ok(Status::AllAnswered)
}

/// What a server that is ready says.
fn ask(url: &str, timeout: Duration) -> Result<String, Unhealthy> {
    let silent = |source| Unhealthy::Silent { url: url.to_owned(), source };
    // A proxy would ask from elsewhere, where localhost is another machine.
    let agent: Agent =
        Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(timeout)).build().into();
    let mut response = agent.get(url).call().map_err(silent)?;
    let text = response.body_mut().read_to_string().map_err(silent)?.trim().to_owned();
    match response.status().as_u16() {
        200 => Ok(text),
        status => Err(Unhealthy::NotReady { url: url.to_owned(), status, text }),
    }
}

/// The host of a URL under which a server that listens on an address is asked from its own machine.
fn reachable(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_stand_for_all_are_asked_as_localhost() {
        let cases = [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "[::1]"),
            ("fe80::1", "[fe80::1]"),
            ("10.0.0.7", "10.0.0.7"),
            ("server", "server"),
        ];
        for (host, asked) in cases {
            assert_eq!(reachable(host), asked);
        }
    }
}
