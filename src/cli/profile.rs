//! Where the time of a run went, for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::native::{Operator, OperatorTimes, Peak, Profile};
use crate::model::Model;
use crate::pipeline::{Busy, Stats};
use crate::plural::plural;

/// What has to be known of engines to judge their profile, taken before they go to their threads.
pub(super) struct Observed {
    /// Of the native engine, with what each of its threads could reach; a compiled model's operators do not
    /// show.
    network: Option<(Arc<Profile>, Vec<Peak>)>,
    engines: usize,
    threads: usize,
}

impl Observed {
    pub(super) fn new(Model { engines, pipeline, .. }: &Model) -> Self {
        let network = engines.native().map(|engine| (engine.profile(), engine.measure_peaks()));
        Self { network, engines: engines.count(), threads: pipeline.threads.get() }
    }

    pub(super) fn operators(&self) -> Option<Operators> {
        let (profile, peaks) = self.network.as_ref()?;
        Some(Operators { times: profile.times(), peaks: peaks.clone() })
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
    /// Of each thread.
    peaks: Vec<Peak>,
}

impl fmt::Display for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.times.total();
        let speed = self.peaks.iter().map(|peak| peak.speed).sum::<f64>();
        let peak = speed / self.peaks.len() as f64;
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
        let threads = self.peaks.len();
        write!(f, "peak of {threads} {}: {:.0} GOP/s", plural(threads, "thread"), speed / 1e9)?;
        let Some(first) = self.peaks.first() else { return writeln!(f) };
        let (clock, operations, units) = (first.clock / 1e9, first.operations, first.units());
        write!(f, " ({operations} operations a cycle, at {clock:.1} GHz: {units:.2} of these units a thread)")?;
        match self.peaks.iter().all(Peak::is_plausible) {
            true => writeln!(f),
            false => {
                writeln!(f, "\nthat is no speed that one, two or four units have: take the shares of it with doubt")
            }
        }
    }
}
