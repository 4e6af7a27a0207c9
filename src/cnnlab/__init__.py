"""A lab for small neural networks: PyTorch Lightning under Hydra."""

from importlib.metadata import version

__version__ = version("cnnlab")
