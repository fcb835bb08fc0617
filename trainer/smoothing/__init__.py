"""Trains the smoother's recurrent network on clips made of labelled faces."""
