/// The model, for clients.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ModelInfo {
    /// Its folder, or its name on the hub.
    pub model: String,
    /// The family of its network, as in config.json.
    pub model_type: String,
    /// What the network runs on, and in what precision.
    pub engine: String,
    /// Longest window in tokens.
    pub max_seq_len: usize,
    /// Most windows in a forward pass.
    pub batch_size: usize,
}
