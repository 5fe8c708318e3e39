//! Where the time of a run went, for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::native::{Operator, OperatorTimes, Profile};
use crate::model::Model;
use crate::pipeline::{Busy, Stats};
use crate::plural::plural;

/// What has to be known of engines to judge their profile, taken before they go to their threads.
pub(super) struct Observed {
    /// Of the native engine, with the operations a second that it could reach; a compiled model's operators do not
    /// show.
    network: Option<(Arc<Profile>, f64)>,
    engines: usize,
    threads: usize,
}

impl Observed {
    pub(super) fn new(Model { engines, pipeline, .. }: &Model) -> Self {
        let network = engines.native().map(|engine| (engine.profile(), engine.measure_peak()));
        Self { network, engines: engines.count(), threads: pipeline.threads.get() }
    }

    pub(super) fn operators(&self) -> Option<Operators> {
        let (profile, peak) = self.network.as_ref()?;
        Some(Operators { times: profile.times(), threads: self.threads, peak: *peak })
    }

    pub(super) fn stages<'a>(&self, stats: &'a Stats, elapsed: Duration) -> Stages<'a> {
        Stages { busy: &stats.busy, engines: self.engines, threads: self.threads, elapsed }
    }
}

/// Each stage's share of the time of its threads.
pub(super) struct Stages<'a> {
    busy: &'a Busy,
    engines: usize,
    threads: usize,
    elapsed: Duration,
}

impl fmt::Display for Stages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Busy { read, encode, pack, infer, decode, write } = self.busy;
        let stages = [
            ("read", read, 1),
            ("encode", encode, self.threads),
            ("pack", pack, 1),
            ("infer", infer, self.engines),
            ("decode", decode, self.threads),
            ("write", write, 1),
        ];
        writeln!(f, "{:<24} {:>7} {:>10} {:>7}", "stage", "threads", "busy s", "busy %")?;
        for (name, clock, threads) in stages {
            let seconds = clock.get().as_secs_f64();
            let share = 100.0 * seconds / (threads as f64 * self.elapsed.as_secs_f64());
            writeln!(f, "{name:<24} {threads:>7} {seconds:>10.3} {share:>7.1}")?;
        }
        Ok(())
    }
}

/// The forward pass, split by operator.
pub(super) struct Operators {
    times: OperatorTimes,
    threads: usize,
    /// Operations a second of all threads.
    peak: f64,
}

impl fmt::Display for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.times.total();
        let peak = self.peak / self.threads as f64;
        writeln!(f, "{:<24} {:>7} {:>10} {:>7}", "operator (a thread)", "time %", "GOP/s", "peak %")?;
        let operators = Operator::ALL.map(|operator| (operator.name(), self.times.of(operator)));
        for (name, spent) in operators.into_iter().chain([("forward pass", total)]) {
            let seconds = spent.time.as_secs_f64();
            let share = 100.0 * seconds / total.time.as_secs_f64();
            write!(f, "{name:<24} {share:>7.1}")?;
            match spent.operations {
                0 => writeln!(f)?,
                operations => {
                    let speed = operations as f64 / seconds;
                    writeln!(f, " {:>10.0} {:>7.1}", speed / 1e9, 100.0 * speed / peak)?;
                }
            }
        }
        let threads = plural(self.threads, "thread");
        writeln!(f, "peak of {} {threads}: {:.0} GOP/s", self.threads, self.peak / 1e9)
    }
}
