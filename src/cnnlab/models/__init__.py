"""Networks and their LightningModules, objectives and preprocessing."""
