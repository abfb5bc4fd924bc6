#!/usr/bin/env python3
"""Trains the example: a 5-10-1 network that scores trades for compliance.

Writes, beside this file,
  compliance.onnx         the approved model (Gemm, Relu, Gemm, Sigmoid; dynamic batch)
  compliance_other.onnx   the same architecture from another seed: what a swapped model looks like
and in ../data
  trades.csv              1,000 trades: time, symbol, side, and the model's five features
  trades.expected.json    onnxruntime's scores of compliance.onnx on them

The features are in units that keep every value within +-8, so that 12 fractional bits are exact to
1/4096 and no input saturates:
  size          10,000 shares          leverage   multiple of equity
  price         100 dollars            volume     daily volume of the symbol, 1,000,000 shares
  position_pct  tens of per cent of the portfolio after the trade (0.75 is 7.5 %)

The rule behind the labels: leverage <= 3, position <= 10 %, size <= 8 % of the daily volume, notional
<= 4 million dollars; 2 % of the labels are flipped. The score is the probability of compliance; the
decision is score >= 0.5.

Usage: pip install numpy onnx onnxruntime && python3 tests/models/train_compliance.py
"""

import csv
import datetime
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
FEATURES = ["size", "leverage", "price", "volume", "position_pct"]
# Typical price in dollars and daily volume in millions of shares; the symbols are invented.
SYMBOLS = {"ALDR": (42, 3.1), "BRKT": (310, 0.9), "CNDO": (18, 6.0), "DRVN": (95, 2.2), "ELMW": (150, 1.4),
           "FJRD": (64, 4.5), "GLPH": (520, 0.6), "HRBR": (27, 5.2)}


def trades(rng, count):
    """`count` trades: metadata and features [count, 5], rounded to 4 decimals."""
    names = np.array(list(SYMBOLS))
    symbol = names[rng.integers(len(names), size=count)]
    side = np.where(rng.random(count) < 0.5, "buy", "sell")
    price = np.array([SYMBOLS[s][0] for s in symbol]) * np.exp(rng.normal(0, 0.08, count)) / 100
    volume = np.array([SYMBOLS[s][1] for s in symbol]) * np.exp(rng.normal(0, 0.15, count))
    size = np.minimum(np.exp(rng.normal(np.log(2.0), 0.8, count)), 7.5)
    leverage = 1 + rng.gamma(2.0, 0.5, count)
    position = rng.gamma(2.0, 0.24, count)
    features = np.stack([size, leverage, price, volume, position], axis=1)
    return symbol, side, np.round(np.clip(features, 0, 7.9), 4)


def compliant(features):
    """The rule: one boolean a trade."""
    size, leverage, price, volume, position = features.T
    return (leverage <= 3) & (position <= 1) & (size <= 8 * volume) & (size * price <= 4)


def train(seed, features, labels, steps=4000):
    """Full-batch Adam on the cross entropy; the standardisation is folded into the first layer."""
    rng = np.random.default_rng(seed)
    mean, std = features.mean(axis=0), features.std(axis=0)
    x, y = (features - mean) / std, labels[:, None].astype(float)
    params = [rng.normal(0, np.sqrt(2 / 5), (10, 5)), np.zeros(10), rng.normal(0, np.sqrt(1 / 10), (1, 10)), np.zeros(1)]
    first, second = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    for step in range(1, steps + 1):
        w0, b0, w1, b1 = params
        hidden = np.maximum(x @ w0.T + b0, 0)
        score = 1 / (1 + np.exp(-(hidden @ w1.T + b1)))
        d_logit = (score - y) / len(x)
        d_hidden = (d_logit @ w1) * (hidden > 0)
        gradients = [d_hidden.T @ x, d_hidden.sum(axis=0), d_logit.T @ hidden, d_logit.sum(axis=0)]
        for i, g in enumerate(gradients):
            g = g + 1e-4 * params[i]
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            rate = 0.02 * min(1.0, 4 * (1 - step / steps))
            params[i] = params[i] - rate * (first[i] / (1 - 0.9**step)) / (np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
    w0, b0, w1, b1 = params
    return [p.astype(np.float32) for p in (w0 / std, b0 - (w0 / std) @ mean, w1, b1)]


def export(path, params):
    """The network as ONNX, opset 17, with a symbolic batch dimension."""
    names = ["hidden.weight", "hidden.bias", "score.weight", "score.bias"]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["trade", names[0], names[1]], ["hidden"], name="hidden", transB=1),
            helper.make_node("Relu", ["hidden"], ["active"], name="active"),
            helper.make_node("Gemm", ["active", names[2], names[3]], ["logit"], name="logit", transB=1),
            helper.make_node("Sigmoid", ["logit"], ["score"], name="score"),
        ],
        "compliance",
        [helper.make_tensor_value_info("trade", TensorProto.FLOAT, ["batch", 5])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(p, n) for p, n in zip(params, names)],
    )
    model = helper.make_model(graph, producer_name="clearproof", opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    rng = np.random.default_rng(20240601)
    _, _, features = trades(rng, 20_000)
    labels = compliant(features) ^ (rng.random(len(features)) < 0.02)
    for name, seed in [("compliance", 1), ("compliance_other", 2)]:
        export(HERE / f"{name}.onnx", train(seed, features, labels))

    symbol, side, features = trades(np.random.default_rng(20240602), 1000)
    start = datetime.datetime(2024, 6, 3, 13, 30, tzinfo=datetime.timezone.utc)
    DATA.mkdir(exist_ok=True)
    with open(DATA / "trades.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", "symbol", "side", *FEATURES])
        for i, row in enumerate(features):
            time = (start + datetime.timedelta(seconds=23 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
            writer.writerow([time, symbol[i], side[i], *(f"{v:.4f}" for v in row)])

    session = onnxruntime.InferenceSession(str(HERE / "compliance.onnx"), providers=["CPUExecutionProvider"])
    scores = session.run(["score"], {"trade": features.astype(np.float32)})[0]
    expected = {"outputs": {"score": {"shape": list(scores.shape), "values": [float(v) for v in scores.ravel()]}}}
    (DATA / "trades.expected.json").write_text(json.dumps(expected) + "\n")

    truth = compliant(features)
    print(f"compliant {truth.mean():.3f}, agreement with the rule {((scores[:, 0] >= 0.5) == truth).mean():.3f}, "
          f"inputs within {np.abs(features).max():.4f}")


if __name__ == "__main__":
    main()
