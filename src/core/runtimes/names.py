"""What runtimes are called; light, because `--help` reads it."""

from typing import Literal, TypeAlias

RuntimeName: TypeAlias = Literal["torch", "onnxruntime", "openvino"]
Runtime: TypeAlias = Literal["auto", "torch", "onnxruntime", "openvino"]
"""``auto``: the fastest here whose embeddings are PyTorch's."""
