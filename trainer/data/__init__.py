"""Faces and labels: FER2013 in three forms, toy faces, splits, augmentation, corruptions."""
