//! The stage that reads rows, as far ahead as the budget allows.

use crossbeam_channel::Sender;

use super::budget::Budget;
use super::messages::Numbered;
use super::{Item, Stats};

pub(super) fn read<T>(
    mut source: impl Iterator<Item = anyhow::Result<Item<T>>>,
    stats: &Stats,
    budget: &Budget,
    rows: &Sender<Numbered<T>>,
) -> anyhow::Result<()> {
    let next = || stats.busy.read.measure(|| source.next());
    for (index, item) in (0..).zip(std::iter::from_fn(next)) {
        let item = item?;
        stats.read.add(1);
        if !budget.acquire(item.bytes) || rows.send(Numbered { index, item }).is_err() {
            break;
        }
    }
    Ok(())
}
