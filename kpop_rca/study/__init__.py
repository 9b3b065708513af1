"""What a study is, and what a stage leaves: parameters, stages, sweeps, fingerprints, manifests."""
