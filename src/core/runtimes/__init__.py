"""Other engines than PyTorch for the encoders: ONNX Runtime, OpenVINO."""
