/// A question and the context in which its answer is looked for (SQuAD's word for a row).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub question: String,
    pub context: String,
}
