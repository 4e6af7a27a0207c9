"""How a verb reads its words."""

import argparse
from typing import NoReturn

from cnnlab.errors import UserError


class Arguments(argparse.ArgumentParser):
    """argparse's parser, but a mistake is one sentence and no flag may be cut short.

    Args:
        verb: what was typed first.
        usage: what can be typed behind it.

    Examples:
        >>> arguments = Arguments("figures", "figures RUN --to FOLDER")
        >>> _ = arguments.add_argument("--to")
        >>> arguments.parse_args(["--too"])
        Traceback (most recent call last):
        cnnlab.errors.UserError: figures: unrecognized arguments: --too; say figures RUN --to FOLDER.
    """

    def __init__(self, verb: str, usage: str) -> None:
        super().__init__(verb, usage=usage, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse what was typed.

        Raises:
            UserError: always.
        """
        raise UserError(f"{self.prog}: {message.removeprefix('argument ')}; say {self.usage}.")
