"""The classifiers that say who is on an image: training, predictions, calibration, agreement."""
