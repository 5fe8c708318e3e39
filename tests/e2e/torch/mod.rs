//! Compiled models, with the fixtures of `fixtures/torch/make.py`.

mod answers;
mod neuron;
mod support;
mod trouble;

pub(crate) use support::Compiled;
