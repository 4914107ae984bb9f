"""`make audit`: an SBOM (CycloneDX) of what is installed, and its known vulnerabilities where a database can be reached."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "audit"
_UNREACHABLE = (
    "ConnectionError",
    "Max retries",
    "Name or service",
    "ServiceError",
    "NewConnectionError",
    "resolve",
    "403",
    "404",
)


def main() -> int:
    """Return 1 for a known vulnerability, or where the SBOM could not be written."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    tools = FOLDER / "tools" / "bin" / "python"
    if not tools.exists():
        subprocess.run([sys.executable, "-m", "venv", str(tools.parents[1])], check=True)
    install = [
        str(tools),
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "install",
        "pip-audit",
        "cyclonedx-bom",
    ]
    if subprocess.run(install, check=False).returncode:
        print("audit: the tools (pip-audit, cyclonedx-bom) cannot be installed here; nothing was looked at.")
        return 1
    sbom = FOLDER / "sbom.cdx.json"
    made = subprocess.run(
        [str(tools), "-m", "cyclonedx_py", "environment", sys.executable, "-o", str(sbom)], check=False
    )
    print(f"audit: SBOM in {sbom}" if made.returncode == 0 else "audit: the SBOM could not be written.")
    site = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    command = [str(tools), "-m", "pip_audit", "--path", str(site), "--progress-spinner", "off", "--timeout", "10"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode and any(word in found.stderr for word in _UNREACHABLE):
        print("audit: no database of vulnerabilities can be reached from here, so nothing is known about any.")
        return made.returncode
    if "could not be audited" in found.stdout and "Fix Versions" not in found.stdout:
        print("audit: the database that was reached knows none of these packages, so nothing is known about any.")
        return made.returncode
    print(found.stdout or found.stderr)
    return found.returncode or made.returncode


sys.exit(main())
