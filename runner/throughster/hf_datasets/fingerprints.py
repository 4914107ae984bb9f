"""What an operation is, as a few bytes: its code, its configuration and the clients it asks, without their keys.

The library `datasets` names cache files after such fingerprints. Its own hash takes a function or class of an imported
module by name alone, and what a pickle holds as it stands; here the code itself counts, and a client counts as whom it
asks for what: not its key, and not how fast or how patiently it asks.
"""

from __future__ import annotations

import copyreg
import dis
import os
import re
import sys
import sysconfig
from dataclasses import fields
from enum import Enum
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretBytes, SecretStr

from throughster.client import Interface
from throughster.errors import RequestError
from throughster.settings import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["KEYLESS", "client_facts", "fingerprint"]

KEYLESS: tuple[type, ...] = (Interface, Address, SecretStr, SecretBytes)
"""Types whose fingerprint leaves out what their pickle holds."""

_SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|signature|credential|^sig$|^code$", re.IGNORECASE)
_RESOLVED = frozenset({"address", "api_base", "api_version", "model_name"})
_SHAPES_NO_ANSWER = frozenset({
    "api_key", "cache", "key", "key_variable", "limits", "retry", "timeout", "token_provider",
})  # fmt: skip
_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, type(...))
_NOT_OURS = tuple({sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_CODE_FACTS = (
    "co_name", "co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount",
    "co_posonlyargcount", "co_kwonlyargcount", "co_flags", "co_exceptiontable",
)  # fmt: skip  # neither file nor lines: a function that moves is the same


def fingerprint(*values: Any) -> str:
    """32 hex digits that are equal for equal values in any process.

    Raises RequestError where a value cannot be told from others like it: a lock, an open file, a generator.
    """
    return _Walk().digest(values).hex()


def client_facts(client: Interface) -> dict[str, Any]:
    """Whom a client asks, and for what, once the environment had its say."""
    state = client.__getstate__()
    asked = {name: value for name, value in state.items() if name not in (*_RESOLVED, *_SHAPES_NO_ANSWER)}
    return {"provider": client.provider.name, "address": client.address, **_public(asked)}


def _address_facts(address: Address) -> dict[str, Any]:
    kept = {f.name: getattr(address, f.name) for f in fields(address) if f.name not in _SHAPES_NO_ANSWER}
    return _public(kept)


def _public(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts, without the headers and query parameters that may hold a key."""
    shown = dict(facts)
    for group in ("headers", "params"):
        if group in shown:
            shown[group] = {k: v for k, v in shown[group].items() if not _SECRET_NAME.search(k)}
    return shown


class _Walk:
    """One walk over a graph of objects. `_open`: ids of what is being walked, so that a cycle ends."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        self._done: dict[int, tuple[bytes, Any]] = {}  # the object too, so that its id is not given to another
        self._path: list[str] = []

    def digest(self, value: Any, step: str = "") -> bytes:
        if type(value) in _PLAIN:
            return _hash(type(value).__name__.encode(), repr(value).encode("utf-8", "surrogatepass"))
        if id(value) in self._done:
            return self._done[id(value)][0]
        if id(value) in self._open:
            return _hash(b"cycle", str(self._open[id(value)]).encode())
        self._open[id(value)] = len(self._open)
        self._path.append(step)
        try:
            digest = self._digest(value)
        except RecursionError:
            raise self._unclear(value, "it is nested too deeply") from None
        finally:
            del self._open[id(value)]
            self._path.pop()
        self._done[id(value)] = digest, value
        return digest

    def _digest(self, value: Any) -> bytes:
        for kind, walk in _WALKS:
            if isinstance(value, kind):
                return walk(self, value)
        if type(value) in (list, tuple):
            return self._each(type(value).__name__, value)
        if type(value) is dict:
            return self.mapping(value)
        if type(value) in (set, frozenset):
            return _hash(b"set", *sorted(self.digest(item, "{...}") for item in value))
        return self._reduced(value)

    def _each(self, kind: str, values: Iterable[Any]) -> bytes:
        return _hash(kind.encode(), *(self.digest(item, f"[{n}]") for n, item in enumerate(values)))

    def facts(self, kind: str, /, **facts: Any) -> bytes:
        return _hash(kind.encode(), *(self.digest(value, f".{name}") for name, value in sorted(facts.items())))

    def mapping(self, items: Mapping[Any, Any]) -> bytes:
        keys = sorted((self.digest(key), key_number, key) for key_number, key in enumerate(items))
        return _hash(b"dict", *(part for d, _, key in keys for part in (d, self.digest(items[key], f"[{key!r:.40}]"))))

    def function(self, function: FunctionType) -> bytes:
        if not _counts_by_code(function):
            return self.facts("name", module=function.__module__, name=function.__qualname__)
        used = {i.argval for i in _instructions(function.__code__) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        cells = [_cell(cell) for cell in function.__closure__ or ()]
        return self.facts(
            "function",
            code=function.__code__,
            defaults=function.__defaults__,
            kwdefaults=function.__kwdefaults__,
            annotations={name: str(annotation) for name, annotation in function.__annotations__.items()},
            closure=dict(zip(function.__code__.co_freevars, cells, strict=True)),
            globals={name: function.__globals__[name] for name in used & function.__globals__.keys()},
        )

    def code(self, code: CodeType) -> bytes:
        return self.facts("code", **{name: getattr(code, name) for name in _CODE_FACTS})

    def kind(self, cls: type) -> bytes:
        if not _counts_by_code(cls):
            return self.facts("name", module=cls.__module__, name=cls.__qualname__)
        schema = cls.model_json_schema() if issubclass(cls, BaseModel) and cls is not BaseModel else None
        return self.facts("class", name=cls.__name__, bases=cls.__bases__, schema=schema, own=_own_attributes(cls))

    def _reduced(self, value: Any) -> bytes:
        """What a pickle of the value would hold."""
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            parts = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception as error:  # whatever a foreign class raises
            raise self._unclear(value, str(error)) from error
        if isinstance(parts, str):
            wrapped = getattr(value, "__wrapped__", None)
            return self.facts("name", module=getattr(value, "__module__", None), name=parts, wrapped=wrapped)
        make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
        return self.facts(
            "object",
            make=make,
            arguments=arguments,
            state=state,
            items=None if items is None else list(items),
            pairs=None if pairs is None else dict(pairs),
        )

    def _unclear(self, value: Any, reason: str) -> RequestError:
        where = "".join(step for step in self._path if step not in ("", "[0]")).lstrip(".") or "the operation"
        return RequestError(
            f"The operation has no fingerprint: {where}, a {type(value).__name__}, cannot be told from others of its "
            f"kind ({reason}). Make it when it is first used and leave it out in __getstate__, or give new_fingerprint."
        )


_WALKS: tuple[tuple[type | tuple[type, ...], Callable[[_Walk, Any], bytes]], ...] = (
    (Interface, lambda walk, value: walk.facts("client", kind=type(value), **client_facts(value))),
    (Address, lambda walk, value: walk.facts("address", **_address_facts(value))),
    ((SecretStr, SecretBytes), lambda walk, _: walk.facts("secret")),
    (type, _Walk.kind),
    (FunctionType, _Walk.function),
    (CodeType, _Walk.code),
    (MethodType, lambda walk, value: walk.facts("method", function=value.__func__, of=value.__self__)),
    (ModuleType, lambda walk, value: walk.facts("module", name=value.__name__)),
    (Enum, lambda walk, value: walk.facts("member", of=type(value), name=value.name, value=value.value)),
)


def _hash(*parts: bytes) -> bytes:
    hasher = blake2b(digest_size=16)
    for part in parts:
        hasher.update(len(part).to_bytes(8))
        hasher.update(part)
    return hasher.digest()


def _counts_by_code(value: FunctionType | type) -> bool:
    """Whether the value is the user's own, so that its code may change between two runs without a new name."""
    if "<" in value.__qualname__:  # a lambda, or made inside a function: its name does not find it
        return True
    if value.__module__ in ("builtins", None) or value.__module__.partition(".")[0] == "throughster":
        return False
    module = sys.modules.get(value.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        return module is None or module.__name__ == "__main__"
    return not file.startswith(_NOT_OURS)


def _instructions(code: CodeType) -> Iterable[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return "an empty cell"


def _own_attributes(cls: type) -> dict[str, Any]:
    """What the class itself defines: its functions, however they are wrapped, its plain values, its documentation."""
    own: dict[str, Any] = {}
    for name, value in vars(cls).items():
        if isinstance(value, property):
            own[name] = (value.fget, value.fset, value.fdel)
        elif isinstance(value, FunctionType | staticmethod | classmethod | BuiltinFunctionType):
            own[name] = getattr(value, "__func__", value)
        elif isinstance(function := getattr(value, "func", None), FunctionType):  # cached_property and its like
            own[name] = function
        elif _is_data(name, value):
            own[name] = value
    return own


def _is_data(name: str, value: Any) -> bool:
    if name.startswith("__"):
        return name in ("__doc__", "__slots__", "__annotations__") and isinstance(value, str | tuple)
    return isinstance(value, (*_PLAIN, list, tuple, dict, set, frozenset, Enum)) and not name.startswith("_abc_")
