"""The text of ``--help``, made from conf/."""

from cnnlab.__main__ import VERBS
from cnnlab.config.conf import groups

EXAMPLES = {
    "callbacks": "callbacks=early_stopping callbacks.early_stopping.patience=5",
    "data": "data=cifar100 data.classes=25 data.augment.horizontal_flip=true",
    "experiment": "experiment=fashion_2_blocks",
    "hydra": "hydra.run.dir=outputs/my_run",
    "hydra/sweeper": "-m hydra/sweeper=search 'optimizer.lr=interval(0.01,0.1)'",
    "logger": "logger=none",
    "model": "model=deep_cnn model.kernel_size=5",
    "optimizer": "optimizer=sgd optimizer.lr=0.05",
    "schedule": "schedule=cosine schedule.warmup_fraction=0.1",
    "trainer": "trainer=cpu trainer.max_epochs=25",
}
WIDTH = 100


def help_text() -> str:
    """Verbs, config groups with their options and an example each, and the ways to ask for more."""
    lines = [
        "cnnlab: a lab for small neural networks",
        "",
        "  python -m cnnlab [VERB] [GROUP=OPTION ...] [KEY=VALUE ...]",
        "  python -m cnnlab -m KEY=VALUE,VALUE ...      every combination, a run each",
        "",
        "Verbs",
        *(f"  {verb:<12}{text}" for verb, text in VERBS.items()),
        "",
        "Groups: options, and an example",
    ]
    for group, options in groups().items():
        lines += [*_wrapped(group, options), f"  {'':<12}  python -m cnnlab {EXAMPLES[group]}", ""]
    lines += [
        "seed=0 sets the seed. Every value of a group can be set: --cfg job prints them all as composed.",
        "--allow-target MODULE.CLASS lets a _target_ name a class of your own.",
        "A run leaves everything in one folder under outputs/; tensorboard --logdir outputs shows it.",
    ]
    return "\n".join(lines)


def _wrapped(group: str, options: list[str]) -> list[str]:
    lines, line = [], f"  {group + ' ':<12}"
    for i, option in enumerate(options):
        word = option + (", " if i + 1 < len(options) else "")
        if len(line) + len(word) > WIDTH:
            lines.append(line.rstrip())
            line = " " * 14
        line += word
    return [*lines, line]
