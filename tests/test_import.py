"""What `import dmft` says where the compiled modules are missing, as in a clone after `pip install .`."""

import shutil
import subprocess
import sys
from pathlib import Path

import dmft


def test_sources_without_compiled_modules_say_what_to_do(tmp_path):
    package = Path(dmft.__file__).parent
    shutil.copytree(package, tmp_path / "dmft", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    command = [sys.executable, "-c", "import dmft"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: the compiled modules are not beside the sources in {tmp_path / 'dmft'}: ")
    assert "run `pip install -e .`" in last
    assert "leave it" in last
    assert "circular" not in done.stderr
