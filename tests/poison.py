"""Images that crash or hang the native detector, for real: in its process, and by their names."""

from pathlib import Path

SITE = """
import sys

if "faceml.tables.extraction_server" in sys.orig_argv:
    import ctypes
    import os
    import signal
    from pathlib import Path

    from {module} import {name} as extractor

    true_detect = extractor.detect
    flaked = Path(__file__).with_name("flaked")

    def detect(self, file, data):
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
        return true_detect(self, file, data)

    extractor.detect = detect
"""


def write_poison(
    folder: Path, module: str = "faceml.landmarks.extractor", name: str = "LandmarkExtractor"
) -> Path:
    """Write the module that Python imports when it starts with this folder on its path.

    Args:
        folder: Where to.
        module: Module of the row extractor.
        name: Name of its class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE.format(module=module, name=name))
    return folder
