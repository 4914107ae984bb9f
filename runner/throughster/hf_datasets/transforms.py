"""`map` and `filter` whose results are found again as long as the operation is the same, whatever the key."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import datasets
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from datasets.utils._dill import pklregister

from throughster.client import Interface
from throughster.client.portal import run_in_portal
from throughster.errors import RequestError
from throughster.hf_datasets.features import answer_features
from throughster.hf_datasets.fingerprints import KEYLESS, fingerprint
from throughster.hf_datasets.spec_operation import SpecOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["register_fingerprints", "transform"]

AnyDataset = TypeVar("AnyDataset", Dataset, DatasetDict, IterableDataset, IterableDatasetDict)
Method: TypeAlias = Literal["map", "filter"]
_T = TypeVar("_T")

_SHAPES_NOTHING = frozenset({
    "cache_file_name", "desc", "keep_in_memory", "load_from_cache_file", "new_fingerprint", "num_proc",
    "suffix_template", "writer_batch_size",
})  # fmt: skip
_BATCHES = frozenset({"batch_size", "drop_last_batch"})


def transform(
    dataset: AnyDataset, operation: Callable[..., Any], method: Method = "map", **map_options: Any
) -> AnyDataset:
    """`dataset.map(operation, **map_options)` or `dataset.filter(...)`; asked again only where something changed.

    `operation`: any picklable callable, sync or async, such as an object that holds a client, or one made by
    `operation_from_spec`. The result's fingerprint follows from the dataset, the operation's code and configuration,
    and the options that shape the result; keys, limits, timeouts and `num_proc` have no part in it. The results of a
    dataset that lies in memory are kept in files too, under `datasets.config.HF_DATASETS_CACHE`, because they cost
    money; `keep_in_memory=True` keeps them out.

    An async operation runs for many rows at once, in a notebook too. Each of `num_proc` processes has a client of its
    own, with that client's limits. Raises RequestError where the operation cannot be told from another.
    """
    if method not in ("map", "filter"):
        raise RequestError(f"A dataset is transformed by `map` or `filter`, not by `{method}`.")
    if map_options.get("with_split"):
        raise RequestError("`with_split` is not taken here. Transform each split by itself: dataset['train'], ...")
    register_fingerprints()
    if isinstance(dataset, IterableDataset | IterableDatasetDict):
        lazily = _loop_is_running()
        call = _callable(operation, method, batched=bool(map_options.get("batched")), lazily=lazily)
        return getattr(dataset, method)(call, **map_options)
    if isinstance(dataset, DatasetDict):
        files = map_options.pop("cache_file_names", None) or {}
        return DatasetDict(
            {
                split: _transform(each, operation, method, {**map_options, "cache_file_name": files.get(split)})
                for split, each in dataset.items()
            }
        )
    return _transform(dataset, operation, method, map_options)


def _transform(dataset: Dataset, operation: Callable[..., Any], method: Method, options: Mapping[str, Any]) -> Dataset:
    options = dict(options)
    if isinstance(operation, SpecOperation):
        operation.check_columns(dataset.column_names)
        if method == "map" and options.get("features") is None and (features := _features(dataset, operation, options)):
            options["features"] = features
    if options.get("new_fingerprint") is None:
        options["new_fingerprint"] = _fingerprint(dataset, operation, method, options)
    if not (dataset.cache_files or options.get("keep_in_memory") or options.get("cache_file_name")):
        options["cache_file_name"] = _cache_file(options["new_fingerprint"])
    call = _callable(operation, method, batched=bool(options.get("batched")))
    run = functools.partial(getattr(dataset, method), call, **options)
    try:
        result: Dataset = _in_thread(run) if _is_async(call) and _loop_is_running() else run()
    finally:
        if isinstance(operation, SpecOperation):
            operation.close()
    return result


def register_fingerprints() -> None:
    """Let the hash of `datasets`, too, take clients without their keys: for `dataset.map(operation)`.

    This concerns hashing alone; what goes to worker processes is pickled as ever, keys included.
    """
    for kind in (*KEYLESS, SpecOperation, *_subclasses(Interface)):
        pklregister(kind)(_save_fingerprint)


def _save_fingerprint(pickler: Any, value: Any) -> None:
    pickler.save_reduce(str, (fingerprint(_facts(value)),), obj=value)


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    return [found for direct in cls.__subclasses__() for found in (direct, *_subclasses(direct))]


def _facts(operation: Any) -> Any:
    return operation.facts if isinstance(operation, SpecOperation) else operation


def _fingerprint(dataset: Dataset, operation: Any, method: Method, options: Mapping[str, Any]) -> str:
    defaults = {name: p.default for name, p in inspect.signature(getattr(Dataset, method)).parameters.items()}
    ignored = _SHAPES_NOTHING if options.get("batched") else _SHAPES_NOTHING | _BATCHES
    shaping = {
        name: value
        for name, value in options.items()
        if name not in ignored and not (name in defaults and value == defaults[name])
    }
    return fingerprint(dataset._fingerprint, method, shaping, _facts(operation))  # noqa: SLF001 - there is no other way


def _cache_file(name: str) -> str | None:
    if not datasets.is_caching_enabled():
        return None
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "throughster" / f"cache-{name}.arrow")


def _features(dataset: Dataset, operation: SpecOperation, options: Mapping[str, Any]) -> datasets.Features | None:
    removed = options.get("remove_columns") or []
    removed = [removed] if isinstance(removed, str) else list(removed)
    schema = None if operation.schema is None else operation.schema.schema
    return answer_features(dataset.features, removed, operation.column, operation.error_column, schema)


def _callable(
    operation: Callable[..., Any], method: Method, *, batched: bool, lazily: bool = False
) -> Callable[..., Any]:
    """What `datasets` calls. Async operations run on the loop of the sync methods, where connections live on.

    `lazily`: for a dataset that is read under a running loop later, where `datasets` cannot run an async one.
    """
    if isinstance(operation, SpecOperation):
        if batched:
            operation = operation.ask_batch if method == "map" else operation.keep_batch
        else:
            operation = operation.ask if method == "map" else operation.keep
    if not _is_async(operation):
        return _Kept(operation)
    return functools.partial(_wait if lazily else _on_portal, _Kept(operation))


class _Kept:
    """An operation that lives as long as the worker process it was sent to.

    A worker gets a copy for each part of the dataset. Were the copies let go, each would leave its clients' connections
    to the garbage collector, with a page of warnings.
    """

    def __init__(self, operation: Callable[..., Any]) -> None:
        self._operation = operation

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._operation(*arguments, **named)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _KEPT.append(self)


_KEPT: list[_Kept] = []


def _is_async(operation: Any) -> bool:
    while isinstance(operation, functools.partial):
        operation = operation.func
    return inspect.iscoroutinefunction(operation) or inspect.iscoroutinefunction(getattr(operation, "__call__", None))  # noqa: B004 - an object's async __call__


def _wait(operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return run_in_portal(operation(*arguments, **named))


async def _on_portal(operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    loop = run_in_portal(_this_loop())
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(operation(*arguments, **named), loop))


async def _this_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_thread(run: Callable[[], _T]) -> _T:
    """The result of `run` in a thread without an event loop: `datasets` cannot use one that is running."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(run())
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the caller's thread
            future.set_exception(error)

    threading.Thread(target=work, name="throughster-datasets", daemon=True).start()
    return future.result()
