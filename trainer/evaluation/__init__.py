"""Evaluation: metrics, significance, test-time augmentation, the whole chain, latency."""
