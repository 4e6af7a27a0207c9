import subprocess
import sys

SCRIPT = """
import gc
from cnnlab.training.process import freeze_once, settled

with settled():
    print(gc.get_freeze_count() > 0)
print(gc.get_freeze_count())
freeze_once()
kept = gc.get_freeze_count()
more = [[] for _ in range(1000)]
freeze_once()
with settled():
    print(kept > 0, gc.get_freeze_count() == kept)
print(gc.get_freeze_count() == kept)
"""


def test_what_is_loaded_is_left_out_of_collections_in_a_training_or_for_good():
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "0", "True", "True", "True"]
    assert not said.stderr
