"""Modules that are loaded when they are first used."""

import subprocess
import sys


def printed(code: str) -> str:
    """Return what a program prints in a process of its own, in which nothing is imported yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_load_late__drawing_of_mediapipe_loads_matplotlib_and_detection_does_not() -> None:
    code = (
        "import sys, faceml.landmarks.mediapipe_detector\n"
        "from mediapipe.tasks.python.vision import drawing_utils\n"
        "print('matplotlib' in sys.modules, drawing_utils.plt.figure.__module__)\n"
        "import matplotlib.pyplot; print(matplotlib.pyplot.figure is drawing_utils.plt.figure)"
    )
    assert printed(code) == "False matplotlib.pyplot\nTrue\n"


def test_load_late__a_loaded_module_stays() -> None:
    code = (
        "import sys, colorsys; from faceml.landmarks.late_modules import load_late\n"
        "with load_late('colorsys', 'wave'):\n"
        "    import colorsys as again, wave\n"
        "print(again is colorsys, 'wave' in sys.modules, wave.WAVE_FORMAT_PCM, 'wave' in sys.modules)"
    )
    assert printed(code) == "True False 1 True\n"
