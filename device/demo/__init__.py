"""`device demo`: the whole chain on one picture, from frames to a subscriber of a real broker."""
