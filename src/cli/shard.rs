//! `--shard`: which part of the inputs a task of a job answers, and what its output is called.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::io::{OutputFormat, Shard};

/// Where a job's scheduler says which task of how many this is: the index, the least index, the step from one to the
/// next, and the number of tasks.
struct Scheduler {
    index: &'static str,
    first: Option<&'static str>,
    step: Option<&'static str>,
    count: &'static str,
}

/// Kubernetes does not say how many tasks there are.
const COUNT: &str = "BERTQA_SHARDS";

const SCHEDULERS: [Scheduler; 3] = [
    Scheduler { index: "AWS_BATCH_JOB_ARRAY_INDEX", first: None, step: None, count: "AWS_BATCH_JOB_ARRAY_SIZE" },
    Scheduler {
        index: "SLURM_ARRAY_TASK_ID",
        first: Some("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        count: "SLURM_ARRAY_TASK_COUNT",
    },
    Scheduler { index: "JOB_COMPLETION_INDEX", first: None, step: None, count: COUNT },
];

/// What `--shard` says: `3/16`, or `auto`.
pub(super) fn parse(text: &str) -> Result<Shard, String> {
    if text == "auto" {
        return find(|name| env::var(name).ok());
    }
    let wrong = || "neither I/N, such as 3/16, nor auto".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    shard(index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?)
}

fn shard(index: u32, count: u32) -> Result<Shard, String> {
    Shard::new(index, count).ok_or_else(|| format!("there is no shard {index} of {count}: the first is 0/{count}"))
}

/// The shard of the task that the environment names.
fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let Some(scheduler) = SCHEDULERS.iter().find(|scheduler| variable(scheduler.index).is_some()) else {
        let names = SCHEDULERS.map(|scheduler| format!("{} and {}", scheduler.index, scheduler.count));
        return Err(format!("no task of a job runs here: none of these is set: {}", names.join("; ")));
    };
    let number = |name: &str| {
        let text = variable(name).ok_or_else(|| format!("{} is set, and {name} is not", scheduler.index))?;
        text.trim().parse::<u32>().map_err(|_| format!("{name} is no number: {text}"))
    };
    let number_or = |name: Option<&str>, default| match name.filter(|name| variable(name).is_some()) {
        Some(name) => number(name),
        None => Ok(default),
    };
    let index = number(scheduler.index)?;
    let (first, step) = (number_or(scheduler.first, 0)?, number_or(scheduler.step, 1)?);
    let behind = index.checked_sub(first).ok_or_else(|| format!("{} is less than {first}", scheduler.index))?;
    shard(behind / step.max(1), number(scheduler.count)?)
}

/// What the output of one part is called: `answers-00003-of-00016.jsonl.gz` of `answers.jsonl.gz`. So the parts in the
/// order of their names are the rows in order.
pub(super) fn part(output: &Path, shard: Shard) -> PathBuf {
    let name = output.file_name().unwrap_or_default();
    let (mut stem, mut extension) = (PathBuf::from(name), OsString::new());
    if OutputFormat::from_path(output).is_some() {
        while let Some(last) = stem.extension().map(OsString::from) {
            let is_format = OutputFormat::from_path(&stem).is_some();
            extension = [OsString::from("."), last, extension].into_iter().collect();
            stem.set_extension("");
            if is_format && OutputFormat::from_path(&stem).is_none() {
                break;
            }
        }
    }
    let mut part = stem.into_os_string();
    part.push(format!("-{:05}-of-{:05}", shard.index(), shard.count()));
    part.push(extension);
    output.with_file_name(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_said_or_found() {
        assert_eq!(parse("3/16").unwrap(), Shard::new(3, 16).unwrap());
        for text in ["16/16", "3", "a/2", "-1/2", "0/0", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
        let found = |variables: &[(&str, &str)]| {
            find(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
        };
        let batch = [("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "4")];
        assert_eq!(found(&batch).unwrap(), Shard::new(2, 4).unwrap());
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "15"),
            ("SLURM_ARRAY_TASK_MIN", "5"),
            ("SLURM_ARRAY_TASK_STEP", "5"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        assert_eq!(found(&slurm).unwrap(), Shard::new(2, 3).unwrap());
        assert_eq!(found(&[("JOB_COMPLETION_INDEX", "0"), (COUNT, "8")]).unwrap(), Shard::new(0, 8).unwrap());
        assert!(found(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err().contains(COUNT));
        assert!(found(&[]).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
    }

    #[test]
    fn parts_are_named_by_their_number() {
        let part = |name: &str| part(Path::new(name), Shard::new(3, 16).unwrap()).display().to_string();
        assert_eq!(part("out/answers.parquet"), "out/answers-00003-of-00016.parquet");
        assert_eq!(part("v1.2.jsonl.gz"), "v1.2-00003-of-00016.jsonl.gz");
        assert_eq!(part("answers"), "answers-00003-of-00016");
        assert_eq!(part("answers.csv"), "answers-00003-of-00016.csv");
    }
}
