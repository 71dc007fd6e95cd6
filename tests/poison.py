"""Images that crash or hang the native detector, for real: in its process, and by their names."""

from pathlib import Path

SITE = """
import sys

if "faceml.tables.row_process_main" in sys.orig_argv:
    import ctypes
    import os
    import signal
    from pathlib import Path

    from {module} import {name} as maker

    true_look = maker.look
    flaked = Path(__file__).with_name("flaked")

    def look(self, file, data):
        name = Path(file.path).stem
        if name == "crash" or (name == "flaky" and not flaked.exists()):
            flaked.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "hang":
            ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock, as the worst native code does
        if name == "raise":
            raise RuntimeError("the detector does not like this image")
        if name == "outage":
            raise OSError("the store gives no answer")
        return true_look(self, file, data)

    maker.look = look
"""


def write_poison(
    folder: Path, module: str = "faceml.landmarks.extractor", name: str = "LandmarkExtractor"
) -> Path:
    """Write the module that Python imports when it starts with this folder on its path.

    Args:
        folder: Where to.
        module: Of what makes the rows.
        name: Of its class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE.format(module=module, name=name))
    return folder
