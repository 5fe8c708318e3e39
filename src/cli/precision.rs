use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::engine::Precision;

/// A precision, or `auto`: the fastest that keeps the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PrecisionChoice(pub Option<Precision>);

impl PrecisionChoice {
    pub(super) const AUTO: Self = Self(None);
}

impl ValueEnum for PrecisionChoice {
    fn value_variants<'a>() -> &'a [Self] {
        const { &[Self::AUTO, Self(Some(Precision::F32)), Self(Some(Precision::Bf16)), Self(Some(Precision::Int8))] }
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = "The fastest on this processor that keeps the model's answers, tried on a few samples while \
                    loading; a compiled model's own";
        self.0.map_or_else(|| Some(PossibleValue::new("auto").help(help)), |precision| precision.to_possible_value())
    }
}
