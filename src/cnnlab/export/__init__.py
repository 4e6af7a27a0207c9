"""Networks outside of their runs: as files of other formats, and as modules that predict."""
