"""Clips made of labelled faces, on which the smoother is tuned and measured."""
