//! The embedded example: a compliance model and a day's trades.

use serde_json::{json, Value};

/// The approved model.
pub(crate) const MODEL: &[u8] = include_bytes!("../../../tests/models/compliance.onnx");
/// Name of the approved model.
pub(crate) const MODEL_NAME: &str = "compliance";
const TRADES: &str = include_str!("../../../tests/data/trades.csv");
const HEADER: &str = "time,symbol,side,size,leverage,price,volume,position_pct";

/// One trade: what is said about it, and the model's input.
pub(crate) struct Trade {
    /// Time, symbol and side.
    pub(crate) metadata: Value,
    /// size, leverage, price, volume, position_pct; units in `tests/models/train_compliance.py`.
    pub(crate) features: Vec<f64>,
}

/// The embedded trades, in order.
pub(crate) fn trades() -> Vec<Trade> {
    let mut lines = TRADES.lines();
    assert_eq!(
        lines.next(),
        Some(HEADER),
        "the embedded trades have the columns that are read here"
    );
    lines.map(trade).collect()
}

fn trade(line: &str) -> Trade {
    let fields: Vec<&str> = line.split(',').collect();
    let features = fields[3..]
        .iter()
        .map(|f| f.parse().expect("the embedded features are numbers"))
        .collect();
    Trade {
        metadata: json!({"time": fields[0], "symbol": fields[1], "side": fields[2]}),
        features,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trades_fit_twelve_fractional_bits_and_a_range_of_eight() {
        let trades = trades();
        assert_eq!(trades.len(), 1000);
        for trade in &trades {
            assert_eq!(trade.features.len(), 5);
            assert!(trade.features.iter().all(|v| (0.0..8.0).contains(v)));
        }
        assert_eq!(trades[0].metadata["time"], "2024-06-03T13:30:00Z");
    }
}
