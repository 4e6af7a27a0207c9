"""Data sets: reading, preparing, splitting, augmenting and serving raw batches."""
