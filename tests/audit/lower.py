"""`make test-lower-bounds`: the fast part of the suite with the oldest versions that pyproject.toml allows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TESTS = (
    "tests/test_public.py", "tests/test_yamltree.py", "tests/test_prompts.py", "tests/test_schema.py", "tests/test_sse.py",
    "tests/test_inputs.py", "tests/test_settings.py", "tests/test_transport.py", "tests/spec", "tests/providers", "tests/client",
)  # fmt: skip


def lowest(requirement: str) -> str:
    """`name>=1.2; marker` as `name==1.2; marker`."""
    return re.sub(r">=\s*", "==", requirement, count=1)


def main(folder: str) -> int:
    """Make the environment, install, test. Return pytest's exit code."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    python = Path(folder).resolve() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    bounds = [lowest(one) for one in project["dependencies"]]
    tests = [
        "pytest>=8.3",
        "pytest-xdist>=3.6",
        "pytest-timeout>=2.3",
        "hypothesis>=6.120",
        "aioresponses>=0.7.8",
        "xmlschema>=3.4",
        "pyarrow",
    ]
    subprocess.run([*pip, "-e", str(_ROOT), *bounds, *tests], check=True, cwd=_ROOT)
    options = ["-q", "-n", "2", "--ignore=tests/providers/test_sdks.py", "-W", "default", "-p", "no:cacheprovider"]
    return subprocess.run([str(python), "-m", "pytest", *options, *_TESTS], check=False, cwd=_ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
