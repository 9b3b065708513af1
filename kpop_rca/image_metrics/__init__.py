"""What images are worth apart from who is on them: distances of features, diversity, copies."""
