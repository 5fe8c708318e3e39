//! What finds start and end.

use super::config::Config;
use super::family::HeadKind;
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{FeedForward, Linear, Loader, Workspace};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{Activation, LayerNorm, Panels, Rows, RowsMut, Spread, gemm};

pub(super) enum Head {
    Linear(Linear),
    QuestionAware(Box<QuestionAwareHead>),
    FeedForward { part: Box<FeedForward>, norm: LayerNorm, outputs: Linear },
}

impl Head {
    pub(super) fn load(config: &Config, loader: Loader) -> Result<Self, LoadError> {
        let (size, intermediate) = (config.hidden_size, config.intermediate_size);
        match (config.family.head, config.question_token_id) {
            (HeadKind::QuestionAware, Some(id)) => {
                Ok(Self::QuestionAware(Box::new(QuestionAwareHead::load(id, size, loader)?)))
            }
            (HeadKind::FeedForward, _) => {
                const OUTPUTS: &str = "qa_classifier.qa_outputs";
                if !loader.tensors.contains(&format!("{OUTPUTS}.weight")) {
                    return Err(LoadError::MissingHead(format!("{OUTPUTS}.weight")));
                }
                let linear = |name: &str, outputs, inputs, spread| {
                    loader.linear(name, outputs, inputs, Operator::Head, Precision::F32, spread)
                };
                let part = FeedForward {
                    intermediate: linear("qa_classifier.intermediate.dense", intermediate, size, Spread::Symmetric)?,
                    activation: config.activation,
                    output: linear("qa_classifier.output.dense", size, intermediate, Spread::Skewed)?,
                };
                Ok(Self::FeedForward {
                    part: Box::new(part),
                    norm: loader.norm("qa_classifier.output.LayerNorm", size, config.layer_norm_epsilon)?,
                    outputs: linear(OUTPUTS, 2, size, Spread::Symmetric)?,
                })
            }
            _ => Ok(Self::Linear(loader.head(size)?)),
        }
    }

    /// As [`Model::head`](super::Model::head).
    pub(super) fn forward(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        match self {
            Self::Linear(linear) => linear.forward(hidden, &mut workspace.linear, logits, None),
            Self::QuestionAware(head) => head.forward(windows, hidden, logits, workspace),
            Self::FeedForward { part, norm, outputs } => {
                part.forward(hidden, workspace);
                let Workspace { linear, dense, .. } = workspace;
                linear.times.measure(Operator::Head, 0, || norm.apply_residual(dense, hidden));
                outputs.forward(dense, linear, logits, None);
            }
        }
    }
}

/// Splinter's head: the likeness of each token to the question's mask, once as start and once as end.
pub(super) struct QuestionAwareHead {
    question_token_id: u32,
    sides: [Side; 2],
}

/// For start or end.
struct Side {
    tokens: Transform,
    question: Transform,
    classifier: Linear,
}

/// `norm(gelu(dense(x)))`
struct Transform {
    dense: Linear,
    norm: LayerNorm,
}

impl QuestionAwareHead {
    fn load(question_token_id: u32, size: usize, loader: Loader) -> Result<Self, LoadError> {
        const FIRST: &str = "splinter_qass.start_classifier.weight";
        if !loader.tensors.contains(FIRST) {
            return Err(LoadError::MissingHead(FIRST.into()));
        }
        let transform = |name: &str| -> Result<Transform, LoadError> {
            let name = format!("splinter_qass.{name}_transform");
            let dense = format!("{name}.dense");
            Ok(Transform {
                dense: loader.linear(&dense, size, size, Operator::Head, Precision::F32, Spread::Symmetric)?,
                norm: loader.norm(&format!("{name}.LayerNorm"), size, 1e-5)?,
            })
        };
        let side = |name: &str| -> Result<Side, LoadError> {
            let classifier = loader.part_without_bias(&format!("splinter_qass.{name}_classifier"), size, size)?;
            Ok(Side {
                tokens: transform(name)?,
                question: transform(&format!("query_{name}"))?,
                classifier: loader.pack(&[classifier], Operator::Head, Precision::F32, Spread::Symmetric)?,
            })
        };
        Ok(Self { question_token_id, sides: [side("start")?, side("end")?] })
    }

    fn forward(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let size = self.sides[0].classifier.inputs();
        let (mut question, mut wanted, mut panels) = (Vec::new(), vec![0.0; size], Panels::default());
        for (side, Side { tokens, question: transform, classifier }) in self.sides.iter().enumerate() {
            let mut transformed = std::mem::take(&mut workspace.context);
            tokens.forward(hidden, &mut transformed, workspace);
            for (Window { input_ids, .. }, bounds) in windows.iter().zip(windows.bounds()) {
                // As transformers, the first token where the question has no mask.
                let place = input_ids.iter().position(|id| *id == self.question_token_id).unwrap_or(0);
                transform.forward(&hidden[(bounds.start + place) * size..][..size], &mut question, workspace);
                classifier.forward(&question, &mut workspace.linear, &mut wanted, None);
                panels.pack_transposed(Rows::dense(&wanted, size));
                let rows = Rows::dense(&transformed[bounds.start * size..bounds.end * size], size);
                let out = RowsMut::new(&mut logits[2 * bounds.start + side..2 * bounds.end], bounds.len(), 1, 2);
                gemm(out, rows, &panels, None, None);
            }
            workspace.context = transformed;
        }
    }
}

impl Transform {
    fn forward(&self, input: &[f32], output: &mut Vec<f32>, workspace: &mut Workspace) {
        output.resize(input.len(), 0.0);
        self.dense.forward(input, &mut workspace.linear, output, Some(Activation::Gelu));
        self.norm.apply(output);
    }
}
