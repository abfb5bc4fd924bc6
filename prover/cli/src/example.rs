//! The embedded example: a compliance model and a day's trades.

/// The approved model.
pub(crate) const MODEL: &[u8] = include_bytes!("../../../tests/models/compliance.onnx");
/// Name of the approved model.
pub(crate) const MODEL_NAME: &str = "compliance";
/// A thousand trades; the units are in `tests/models/train_compliance.py`.
pub(crate) const TRADES: &[u8] = include_bytes!("../../../tests/data/trades.csv");
/// The columns that are the model's features; the others are said about each decision.
pub(crate) const FEATURES: [&str; 5] = ["size", "leverage", "price", "volume", "position_pct"];
