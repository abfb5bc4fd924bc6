#!/usr/bin/env python3
"""Writes the tiny models that the tests always have: NAME/model.onnx with NAME/io.json beside it.

io.json holds inputs and onnxruntime's outputs, row-major:
  {"inputs": {NAME: {"shape": [...], "values": [...]}}, "outputs": {NAME: {"shape": ..., "values": ...}}}
Weights are random from fixed seeds: what these models test is operators, not learning.

Usage: pip install numpy onnx onnxruntime && python3 tests/models/make_tiny.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 16


class Builder:
    """Nodes and initialisers of one graph; each method returns the name of its result."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initialisers = [], []

    def const(self, name, value):
        self.initialisers.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def gemm(self, x, name, wide, narrow):
        weight = self.const(f"{name}.weight", self.rng.normal(0, np.sqrt(1.5 / wide), (narrow, wide)))
        bias = self.const(f"{name}.bias", self.rng.normal(0, 0.2, narrow))
        return self.node("Gemm", [x, weight, bias], name, transB=1)


def mlp_batchnorm(b):
    """Two hidden layers, BatchNormalization before each Relu."""
    x = "x"
    for i, (wide, narrow) in enumerate([(8, 12), (12, 6)]):
        x = b.gemm(x, f"dense{i}", wide, narrow)
        statistics = [
            b.const(f"norm{i}.scale", b.rng.uniform(0.5, 1.5, narrow)),
            b.const(f"norm{i}.bias", b.rng.normal(0, 0.2, narrow)),
            b.const(f"norm{i}.mean", b.rng.normal(0, 0.2, narrow)),
            b.const(f"norm{i}.var", b.rng.uniform(0.5, 1.5, narrow)),
        ]
        x = b.node("BatchNormalization", [x, *statistics], f"norm{i}", epsilon=1e-5)
        x = b.node("Relu", [x], f"relu{i}")
    return b.gemm(x, "y", 6, 2), 8, 2


def softmax_classifier(b):
    """One hidden layer, five classes, Softmax on top."""
    x = b.node("Relu", [b.gemm("x", "dense", 6, 9)], "relu")
    return b.node("Softmax", [b.gemm(x, "logits", 9, 5)], "probabilities", axis=-1), 6, 5


def autoencoder_tanh(b):
    """8-3-8 with Tanh at the bottleneck."""
    x = b.node("Tanh", [b.gemm("x", "code", 8, 3)], "tanh")
    return b.gemm(x, "y", 3, 8), 8, 8


def leaky_clip(b):
    """LeakyRelu, then Clip with bounds as inputs."""
    x = b.node("LeakyRelu", [b.gemm("x", "dense", 4, 7)], "leaky", alpha=0.1)
    x = b.gemm(x, "score", 7, 3)
    return b.node("Clip", [x, b.const("low", -0.5), b.const("high", 0.75)], "y"), 4, 3


def residual_add(b):
    """A block whose input is added to its output."""
    x = b.node("Relu", [b.gemm("x", "stem", 5, 8)], "stem_relu")
    y = b.node("Relu", [b.gemm(x, "inner", 8, 8)], "inner_relu")
    y = b.node("Add", [b.gemm(y, "outer", 8, 8), x], "sum")
    return b.gemm(b.node("Relu", [y], "sum_relu"), "y", 8, 2), 5, 2


def main():
    for seed, make in enumerate([mlp_batchnorm, softmax_classifier, autoencoder_tanh, leaky_clip, residual_add]):
        b = Builder(seed)
        output, wide, narrow = make(b)
        graph = helper.make_graph(
            b.nodes,
            make.__name__,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", wide])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", narrow])],
            b.initialisers,
        )
        model = helper.make_model(graph, producer_name="clearproof", opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        folder = HERE / make.__name__
        folder.mkdir(exist_ok=True)
        onnx.save(model, folder / "model.onnx")

        x = np.round(np.random.default_rng(100 + seed).normal(0, 1, (ROWS, wide)), 4).astype(np.float32)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        y = session.run([output], {"x": x})[0]
        tensor = lambda t: {"shape": list(t.shape), "values": [float(v) for v in t.ravel()]}
        (folder / "io.json").write_text(json.dumps({"inputs": {"x": tensor(x)}, "outputs": {output: tensor(y)}}) + "\n")


if __name__ == "__main__":
    main()
