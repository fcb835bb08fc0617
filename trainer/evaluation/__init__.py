"""Scores and how sure they are: metrics, test-time augmentation, the whole chain, latency."""
