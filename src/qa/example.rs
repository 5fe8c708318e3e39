use super::{RowError, TextField};

/// A question and the context in which its answer is looked for (SQuAD's word for a row). Neither is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    question: String,
    context: String,
}

impl Example {
    /// An example of the two texts.
    ///
    /// # Errors
    /// If the question or the context is empty, or has nothing but white space.
    pub fn new(question: String, context: String) -> Result<Self, RowError> {
        for (field, text) in [(TextField::Question, &question), (TextField::Context, &context)] {
            if text.is_empty() {
                return Err(RowError::Empty(field));
            }
            if text.trim().is_empty() {
                return Err(RowError::Blank(field));
            }
        }
        Ok(Self { question, context })
    }

    /// What is asked.
    pub fn question(&self) -> &str {
        &self.question
    }

    /// Where the answer is looked for.
    pub fn context(&self) -> &str {
        &self.context
    }
}
