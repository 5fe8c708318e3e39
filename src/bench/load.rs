//! Load on a server: many clients that ask for answers and note how long they take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use ureq::Agent;

use super::requests::{Answer, Request};
use super::stats::Outcome;
use super::{LoadStats, Report, Requests};

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each client sends its next request when the last one is answered; after a 429, when `Retry-After` says.
    Closed,
    /// So many requests a second, whether the server keeps up or not. Latency counts from when a request was due, so
    /// that waiting for a free client is not left out (coordinated omission).
    Open { requests_per_second: f64 },
}

/// When sending ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// Who sends what, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where the requests are posted.
    pub url: String,
    pub api_key: Option<String>,
    /// How many clients there are, each with a connection that it keeps.
    pub concurrency: usize,
    pub pace: Pace,
    pub until: Until,
    /// Requests that are sent, but not counted, before the others.
    pub warm_up: Duration,
    /// How long a client waits for an answer.
    pub timeout: Duration,
}

/// How long a client waits after a 429 that names no time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 30;

impl Load {
    /// Sends `requests`, in turn and again from the first, and gives what came of them.
    ///
    /// # Errors
    /// If clients can't be started.
    pub(crate) fn run(&self, requests: &Requests) -> anyhow::Result<Report> {
        let agents: Vec<Agent> = (0..self.concurrency).map(|_| self.agent()).collect();
        if !self.warm_up.is_zero() {
            self.phase(&agents, requests, Pace::Closed, Until::Elapsed(self.warm_up))?;
        }
        let begin = Instant::now();
        let stats = self.phase(&agents, requests, self.pace, self.until)?;
        Ok(stats.report(begin.elapsed()))
    }

    fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(self.timeout))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .user_agent(concat!("bertqa-bench/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent()
    }

    fn phase(&self, agents: &[Agent], requests: &Requests, pace: Pace, until: Until) -> anyhow::Result<LoadStats> {
        let clock = Clock { begin: Instant::now(), next: AtomicU64::new(0), pace, until };
        let mut total = LoadStats::new()?;
        thread::scope(|scope| {
            let clients = agents
                .iter()
                .map(|agent| {
                    thread::Builder::new()
                        .name("client".to_owned())
                        .spawn_scoped(scope, || self.client(agent, requests, &clock))
                        .context("cannot start a client")
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            for client in clients {
                total.merge(client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)?;
            }
            anyhow::Ok(())
        })?;
        Ok(total)
    }

    fn client(&self, agent: &Agent, requests: &Requests, clock: &Clock) -> anyhow::Result<LoadStats> {
        let mut stats = LoadStats::new()?;
        while let Some(Turn { number, due }) = clock.next(&mut stats) {
            let (outcome, retry_after) = self.send(agent, requests.get(number));
            stats.add(outcome, due.elapsed())?;
            if let (Some(pause), Pace::Closed) = (retry_after, clock.pace) {
                thread::sleep(pause.min(clock.left()));
            }
        }
        Ok(stats)
    }

    /// What came of a request, and how long its client is to wait if it was turned away.
    fn send(&self, agent: &Agent, request: &Request) -> (Outcome, Option<Duration>) {
        let mut post = agent.post(&self.url).content_type("application/json");
        if let Some(key) = &self.api_key {
            post = post.header("authorization", format!("Bearer {key}"));
        }
        let answered = post.send(&request.body).and_then(|mut response| {
            let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
            Ok((response, body))
        });
        let (response, body) = match answered {
            Ok(answered) => answered,
            Err(error) => return (Outcome::Failed(kind(&error)), None),
        };
        match response.status().as_u16() {
            200 => (outcome(&body, request), None),
            429 => {
                let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                (Outcome::Refused(429), Some(seconds.map_or(RETRY_AFTER, Duration::from_secs)))
            }
            status => (Outcome::Refused(status), None),
        }
    }
}

/// Whose turn it is to send what, and when.
struct Clock {
    begin: Instant,
    next: AtomicU64,
    pace: Pace,
    until: Until,
}

struct Turn {
    number: u64,
    due: Instant,
}

impl Clock {
    /// Waits until the next request is due; `None` when there is none any more.
    fn next(&self, stats: &mut LoadStats) -> Option<Turn> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = match self.pace {
                Pace::Closed => Instant::now(),
                Pace::Open { requests_per_second } => {
                    self.begin + Duration::from_secs_f64(number as f64 / requests_per_second)
                }
            };
            match self.until {
                Until::Requests(count) if number >= count => return None,
                Until::Elapsed(duration) if due >= self.begin + duration => return None,
                // It was due, but nobody was free to send it in time.
                Until::Elapsed(duration) if self.begin.elapsed() >= duration => stats.unsent += 1,
                _ => {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    return Some(Turn { number, due });
                }
            }
        }
    }

    fn left(&self) -> Duration {
        match self.until {
            Until::Requests(_) => Duration::MAX,
            Until::Elapsed(duration) => duration.saturating_sub(self.begin.elapsed()),
        }
    }
}

fn outcome(body: &[u8], request: &Request) -> Outcome {
    let Ok(answers) = parse(body) else { return Outcome::Failed("an answer that is not as documented".to_owned()) };
    if answers.len() != request.rows {
        return Outcome::Failed(format!("{} answers to {} rows", answers.len(), request.rows));
    }
    let rows_failed = answers.iter().filter(|answer| answer.is_failed()).count() as u64;
    let expected = request.expected.iter().flatten();
    let pairs = expected.zip(&answers);
    let checked = pairs.clone().count() as u64;
    let mismatches = pairs
        .filter(|(expected, answer)| !expected.is_same(answer))
        .map(|(expected, answer)| format!("expected {expected:?}, found {answer:?}"))
        .collect();
    Outcome::Answered { rows: request.rows, rows_failed, checked, mismatches }
}

fn parse(body: &[u8]) -> serde_json::Result<Vec<Answer>> {
    match serde_json::from_slice(body)? {
        answers @ Value::Array(_) => serde_json::from_value(answers),
        answer => Ok(vec![serde_json::from_value(answer)?]),
    }
}

/// A few kinds that can be counted, rather than one for each address and time.
fn kind(error: &ureq::Error) -> String {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => "connection closed without an answer".to_owned(),
            kind => kind.to_string(),
        },
        error => error.to_string(),
    }
}
