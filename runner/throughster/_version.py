"""The one place where the version is written; the build and `--version` read it."""

__version__ = "0.1.0"
