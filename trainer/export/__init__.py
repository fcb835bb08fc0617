"""From a PyTorch network to a full-int8 .tflite with its card, and the gates it must pass."""
