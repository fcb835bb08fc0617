"""Faces and labels: FER2013 in its three forms, synthetic faces, splits, augmentation, corruptions."""
