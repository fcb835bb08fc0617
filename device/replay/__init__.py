"""Scores the smoother on labelled clips."""
