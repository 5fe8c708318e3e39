//! What finds start and end.

use super::config::Config;
use super::family::HeadKind;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{FeedForward, Linear, Loader, Workspace};
use crate::engine::native::models::Head;
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{Activation, LayerNorm, Panels, Rows, RowsMut, gemm};

/// Loads the head of a network of the family of `config`.
pub(super) fn load(config: &Config, loader: Loader) -> Result<Box<dyn Head>, LoadError> {
    let size = config.hidden_size;
    Ok(match (config.family.head, config.question_token_id) {
        (HeadKind::QuestionAware, Some(id)) => Box::new(QuestionAwareHead::load(id, size, loader)?),
        (HeadKind::FeedForward, _) => Box::new(FeedForwardHead::load(config, loader)?),
        _ => Box::new(loader.head(size)?),
    })
}

/// A normalization before a head.
pub(super) struct Normalized {
    pub norm: LayerNorm,
    pub head: Box<dyn Head>,
}

impl Head for Normalized {
    fn find(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let mut normed = std::mem::take(&mut workspace.normalized);
        normed.clear();
        normed.extend_from_slice(hidden);
        workspace.linear.times.measure(Operator::Norm, 0, || self.norm.apply(&mut normed));
        self.head.find(windows, &normed, logits, workspace);
        workspace.normalized = normed;
    }
}

/// BigBird's head: a feed-forward part before the matrix.
struct FeedForwardHead {
    part: FeedForward,
    norm: LayerNorm,
    outputs: Linear,
}

impl FeedForwardHead {
    fn load(config: &Config, loader: Loader) -> Result<Self, LoadError> {
        const OUTPUTS: &str = "qa_classifier.qa_outputs";
        loader.require_head(OUTPUTS)?;
        let (size, intermediate) = (config.hidden_size, config.intermediate_size);
        let linear =
            |name: &str, outputs, inputs| loader.linear_f32(loader.part(name, outputs, inputs)?, Operator::Head);
        Ok(Self {
            part: FeedForward {
                intermediate: linear("qa_classifier.intermediate.dense", intermediate, size)?,
                activation: config.activation,
                output: linear("qa_classifier.output.dense", size, intermediate)?,
            },
            norm: loader.norm("qa_classifier.output.LayerNorm", size, config.layer_norm_epsilon)?,
            outputs: linear(OUTPUTS, 2, size)?,
        })
    }
}

impl Head for FeedForwardHead {
    fn find(&self, _: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        self.part.forward(hidden, workspace);
        let Workspace { linear, dense, .. } = workspace;
        linear.times.measure(Operator::Head, 0, || self.norm.apply_residual(dense, hidden));
        self.outputs.forward(dense, linear, logits, None);
    }
}

/// Splinter's head: the likeness of each token to the question's mask, once as start and once as end.
struct QuestionAwareHead {
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
        loader.require_head("splinter_qass.start_classifier")?;
        let transform = |name: &str| -> Result<Transform, LoadError> {
            let name = format!("splinter_qass.{name}_transform");
            let dense = loader.part(&format!("{name}.dense"), size, size)?;
            Ok(Transform {
                dense: loader.linear_f32(dense, Operator::Head)?,
                norm: loader.norm(&format!("{name}.LayerNorm"), size, 1e-5)?,
            })
        };
        let side = |name: &str| -> Result<Side, LoadError> {
            let classifier = loader.part_without_bias(&format!("splinter_qass.{name}_classifier"), size, size)?;
            Ok(Side {
                tokens: transform(name)?,
                question: transform(&format!("query_{name}"))?,
                classifier: loader.linear_f32(classifier, Operator::Head)?,
            })
        };
        Ok(Self { question_token_id, sides: [side("start")?, side("end")?] })
    }
}

impl Head for QuestionAwareHead {
    fn find(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let size = self.sides[0].classifier.inputs();
        let (mut question, mut wanted, mut panels) = (Vec::new(), vec![0.0; size], Panels::default());
        for (side, Side { tokens, question: transform, classifier }) in self.sides.iter().enumerate() {
            let mut transformed = std::mem::take(&mut workspace.gathered.context);
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
            workspace.gathered.context = transformed;
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
