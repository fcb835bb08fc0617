"""What a run leaves on disk, and networks read back: run folders, checkpoints, .tflite and torchvision files."""
