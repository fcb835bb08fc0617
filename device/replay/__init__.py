"""`device replay`: evaluates the smoother on labelled clips."""
