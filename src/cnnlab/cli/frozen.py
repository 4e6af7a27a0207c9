"""Imported last by the server that jobs are forked from, so that no job looks over what it imported."""

from cnnlab.training.process import freeze_once

freeze_once()
