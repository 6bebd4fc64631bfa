"""An ONNX file in OpenVINO's own format."""

from pathlib import Path


def write_openvino(onnx: Path, path: Path) -> Path:
    """Turn an ONNX file into ``.xml`` and ``.bin`` beside each other, in float32; it goes.

    Returns
    -------
    Path
        The ``.xml``.
    """
    import openvino as ov

    ov.save_model(ov.Core().read_model(onnx), path, compress_to_fp16=False)
    onnx.unlink()
    return path
