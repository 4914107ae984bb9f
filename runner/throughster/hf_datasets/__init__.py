"""Hugging Face datasets: `map` and `filter` over operations that ask models.

    from throughster.hf_datasets import operation_from_spec, transform

    translated = transform(dataset, operation_from_spec("specs/translate.yaml"), "map", num_proc=4)

What was answered once is not asked again while the data, the operation's code and its configuration stay the same;
another key changes nothing. Importing this module also makes plain `dataset.map(operation)` take clients so. Needs the
extra `hf`: `pip install "throughster[hf]"`.
"""

from __future__ import annotations

from throughster.hf_datasets.fingerprints import fingerprint

try:
    from throughster.hf_datasets.spec_operation import SpecOperation, operation_from_spec
    from throughster.hf_datasets.transforms import register_fingerprints, transform
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "datasets":
        raise
    message = "throughster.hf_datasets needs the library `datasets`: pip install 'throughster[hf]'"
    raise ModuleNotFoundError(message, name="datasets") from error

__all__ = ["SpecOperation", "fingerprint", "operation_from_spec", "transform"]

register_fingerprints()
