use super::RowError;

/// A question and the context in which its answer is looked for (SQuAD's word for a row). Neither is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    question: String,
    context: String,
}

impl Example {
    /// # Errors
    /// If the question or the context is empty, or has nothing but white space.
    pub fn new(question: String, context: String) -> Result<Self, RowError> {
        for (name, text) in [("question", &question), ("context", &context)] {
            if text.is_empty() {
                return Err(RowError::field(format_args!("the {name} is empty")));
            }
            if text.trim().is_empty() {
                return Err(RowError::field(format_args!("the {name} is blank: it has nothing but white space")));
            }
        }
        Ok(Self { question, context })
    }

    pub fn question(&self) -> &str {
        &self.question
    }

    pub fn context(&self) -> &str {
        &self.context
    }
}
