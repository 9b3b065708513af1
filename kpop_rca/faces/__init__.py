"""From photographs to face crops: detection, what is wrong with a photograph, splits, crops."""
