"""A spec: what it may say, its loading with positions, its checks, overrides."""

from __future__ import annotations

from throughster.spec.json_schema import spec_json_schema
from throughster.spec.load import Loaded, Override, load_document, load_spec, parse_override, parse_spec
from throughster.spec.model import PROVIDERS, ProviderSpec, Spec
from throughster.spec.unbuilt import NOT_BUILT

__all__ = [
    "NOT_BUILT",
    "PROVIDERS",
    "Loaded",
    "Override",
    "ProviderSpec",
    "Spec",
    "load_document",
    "load_spec",
    "parse_override",
    "parse_spec",
    "spec_json_schema",
]
