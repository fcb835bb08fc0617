"""Files of a run and networks loaded from files: run folders, checkpoints, .tflite, torchvision."""
