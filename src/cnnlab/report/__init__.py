"""Pages made from what runs and studies left behind."""
