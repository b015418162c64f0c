"""What a start costs: the process that answers calls loads nothing that only the models need."""

import subprocess
import sys

HEAVY = ("ctranslate2", "tokenizers", "hibari", "scipy.signal", "scipy.stats", "scipy.fft")


def test_commands_load_no_model_library() -> None:
    """Each is 0.2 to 1.5 CPU-s on every start; the inference process loads what it needs beside."""
    code = f"import sys, aivoice.cli.call, aivoice.cli.serve; print([it for it in {HEAVY!r} if it in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
