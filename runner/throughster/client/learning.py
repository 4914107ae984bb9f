"""What a client learns of its model from being refused: a 400 that names a field it does not take.

Where a deployment's name hides the model (Azure), asking is the only way to know. A refused field is renamed or left
out once, with one warning, and remembered for the client. Only fields that tune the sampling are left out; what a
request is about never is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.errors import BadRequestError
from throughster.screen import LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Learned"]

_NOUN = r"(?:argument|parameter|property|field|name|key|input|option)s?"
_REFUSAL = re.compile(
    r"nrecognized request arguments? supplied: ([\w, ]+)"
    r"|extra_forbidden['\"], ?['\"]loc['\"]: ?[(\[]['\"]body['\"], ?['\"](\w+)"
    r"|([a-z_]\w*)['\"`]?[:\s]+extra inputs are not permitted"
    r"|additional properties are not allowed \(?['\"`](\w+)"
    rf"|(?:unsupported|unknown|unrecognized|unexpected)(?: \w+)? {_NOUN}(?: supplied| provided)?:? ?\(?['\"`](\w+)"
    rf"|{_NOUN}:? ['\"`]?(\w+)['\"`]? (?:is|are) (?:un(?:supported|known|recognized|expected)|not \w+)"
    rf"|does not support(?: the)? {_NOUN}:? ?[\[{{(]?['\"`]?(\w+)|does not support(?: the)? ['\"`]?(\w+)['\"`]? {_NOUN}"
    rf"|{_NOUN} not supported[\w ]*: ?['\"`]?(\w+)"
    r"|extraneous key \[?['\"`]?(\w+)|extra inputs are not permitted, field: ?['\"`](\w+)"
    r"|unrecognized key\(s\) in object: ?['\"`](\w+)"
    r"|['\"`](\w+)['\"`] (?:is|are) (?:un(?:supported|known|recognized)|not (?:supported|recognized)|deprecated)",
    re.IGNORECASE,
)
"""How services, servers and gateways say that they do not know a field, with its name."""

_RENAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_MAY_BE_LEFT_OUT = frozenset({
    "frequency_penalty", "logit_bias", "parallel_tool_calls", "presence_penalty", "stream_options", "temperature",
    "top_p",
})  # fmt: skip
_CODES = frozenset({"unsupported_parameter", "unsupported_value", "extra_forbidden"})


class Learned:
    """`renamed`, `left_out`: fields; `lacking`: forms of structured output; `version` counts the changes."""

    def __init__(self, source: str, *, active: bool = True) -> None:
        self.version = 0
        self.renamed: dict[str, str] = {}
        self.left_out: set[str] = set()
        self.lacking: set[str] = set()
        self._source = source
        self._active = active

    @property
    def facts(self) -> dict[str, Any]:
        """What was learned, in plain values; empty where nothing was."""
        if not self.version and not self.lacking:
            return {}
        return {"renamed": dict(self.renamed), "left_out": sorted(self.left_out), "lacking": sorted(self.lacking)}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Know what `facts` of an earlier time say."""
        renamed, left_out = facts.get("renamed", {}), set(facts.get("left_out", ()))
        if renamed.items() - self.renamed.items() or left_out - self.left_out:
            self.renamed.update(renamed)
            self.left_out |= left_out
            self.version += 1
        self.lacking.update(facts.get("lacking", ()))

    def adapt(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields as this model takes them."""
        if not self.version:
            return dict(fields)
        return {self.renamed.get(name, name): v for name, v in fields.items() if name not in self.left_out}

    def lack(self, strategy: str) -> None:
        self.lacking.add(strategy)
        LOG.warning("%s cannot do structured output by `%s`; the next way is used.", self._source, strategy)

    def learn(self, error: BadRequestError, fields: Mapping[str, Any]) -> bool:
        """Whether the error taught something that makes another try worth it."""
        name = _refused_field(error, fields)
        if not self._active or name is None or name in self.renamed or name in self.left_out:
            return False
        if name in _RENAMES and _RENAMES[name] not in fields and _RENAMES[name] not in self.renamed:
            self.renamed[name] = _RENAMES[name]
            LOG.warning("%s does not take `%s`; it is sent as `%s`.", self._source, name, _RENAMES[name])
        elif name in _MAY_BE_LEFT_OUT:
            self.left_out.add(name)
            LOG.warning("%s does not take this `%s`; it is left out.", self._source, name)
        else:
            return False
        self.version += 1
        return True


def _refused_field(error: BadRequestError, fields: Mapping[str, Any]) -> str | None:
    """The field of ours that the server refuses to know, or None. A value that is merely wrong refuses no field."""
    if error.code in _CODES and error.param in fields:
        return error.param
    words = str(error)
    if error.param in fields and ("nsupported parameter" in words or "nsupported value" in words):
        return error.param  # the Responses API says so without a code
    named = (name for found in _REFUSAL.finditer(words) for name in re.split(r"[,\s]+", found[found.lastindex or 0]))
    return next((name for name in named if name in fields), None)
