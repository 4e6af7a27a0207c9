"""Settings of which each is allowed, and which exclude each other."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cnnlab.config.targets import locate
from cnnlab.config.written import as_typed
from cnnlab.errors import UserError

NO_LIMIT = -1


def require_together(plain: Mapping[str, Any]) -> None:
    """Refuse settings that do not go with each other, before anything is made of them.

    Args:
        plain: the whole config, whose single values were checked.

    Raises:
        UserError: that names both.

    Examples:
        >>> from cnnlab.config.check import check
        >>> from cnnlab.config.compose import compose
        >>> check(compose(["schedule=cosine", "trainer.max_epochs=-1"]))
        Traceback (most recent call last):
        cnnlab.errors.UserError: trainer.max_epochs=-1: Cosine needs an end; say trainer.max_epochs=EPOCHS,
        trainer.max_steps=STEPS, or schedule=constant.
    """
    trainer, schedule = plain["trainer"], plain["schedule"]
    made = locate("schedule", schedule["_target_"])
    if getattr(made, "needs_end", False):
        _require_end(trainer, made.__name__)
    _require_measured(trainer, schedule.get("monitor", getattr(made, "monitor", None)))
    _require_length(trainer)
    _require_time(trainer.get("max_time"))
    if trainer.get("fast_dev_run"):
        raise UserError(
            "trainer.fast_dev_run: it would leave neither curves nor a checkpoint; trainer=debug trains a few"
            " batches and leaves both."
        )


def _require_end(trainer: Mapping[str, Any], schedule: str) -> None:
    # Without a word on the epochs Lightning takes 1,000, but none where there is another end.
    otherwise = NO_LIMIT if trainer.get("max_time") else None
    if (trainer.get("max_epochs", otherwise), trainer.get("max_steps", NO_LIMIT)) == (NO_LIMIT, NO_LIMIT):
        raise UserError(
            f"trainer.max_epochs=-1: {schedule} needs an end; say trainer.max_epochs=EPOCHS,"
            " trainer.max_steps=STEPS, or schedule=constant."
        )


def _require_measured(trainer: Mapping[str, Any], monitor: str | None) -> None:
    every = trainer.get("check_val_every_n_epoch", 1)
    if every > 1 and str(monitor).startswith("val/"):
        raise UserError(
            f"trainer.check_val_every_n_epoch={every}: the schedule looks at {monitor} after each epoch;"
            " say trainer.check_val_every_n_epoch=1, or follow the training: schedule.monitor=train/loss."
        )


def _require_length(trainer: Mapping[str, Any]) -> None:
    for unit in ("epochs", "steps"):
        least, most = trainer.get(f"min_{unit}"), trainer.get(f"max_{unit}", NO_LIMIT)
        if least is not None and NO_LIMIT < most < least:
            raise UserError(
                f"trainer.min_{unit}={least}: the training ends at trainer.max_{unit}={most};"
                f" allowed is at most {most}."
            )


TIMES = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")


def _require_time(allowed: object) -> None:
    """Refuse a time in which nothing is trained; how it is written is for the Trainer to say."""
    nothing = isinstance(allowed, str) and set(allowed) <= set("0:")
    if isinstance(allowed, dict) and all(isinstance(part, (int, float)) for part in allowed.values()):
        known = {key: part for key, part in allowed.items() if key in TIMES}
        nothing = timedelta(**known) <= timedelta()
    if nothing:
        raise UserError(
            f"trainer.max_time={as_typed(allowed)}: nothing would be trained; allowed is a time above 0,"
            " DD:HH:MM:SS, or null."
        )
