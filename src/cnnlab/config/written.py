"""Values written as they would be typed."""

import json
import re

LONGEST_SHOWN = 80  # characters


def as_typed(value: object) -> str:
    """Write a value as on the command line, cut where it is very long.

    Examples:
        >>> as_typed([0.5, None, True]), as_typed("3"), len(as_typed("x" * 1000))
        ('[0.5,null,true]', '"3"', 80)
    """
    text = in_full(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def in_full(value: object) -> str:
    """Write a value as on the command line, however long.

    Examples:
        >>> in_full({"hidden": [16, 8], "norm": None})
        '{hidden:[16,8],norm:null}'
    """
    if isinstance(value, list):
        return f"[{','.join(map(in_full, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{in_full(part)}" for key, part in value.items()) + "}"
    if isinstance(value, str):
        return f'"{value}"' if re.fullmatch(r"[-+.\d]+|true|false|null", value) else value
    return json.dumps(value)
