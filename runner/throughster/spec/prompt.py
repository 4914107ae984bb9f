"""What a spec asks: four ways to write a prompt, one list of messages."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, GetCoreSchemaHandler, Tag
from pydantic_core import core_schema

from throughster.spec.values import BY_KIND, LIST, MAPPING, TEXT, FilePath, SpecModel, Text, is_textual

__all__ = ["FileSpec", "MessageSpec", "PromptForms", "PromptSpec"]


Role: TypeAlias = Literal["system", "developer", "user", "assistant"]


class FileSpec(SpecModel):
    """A text that stands in a file of its own."""

    file: FilePath
    """Its path."""


Content: TypeAlias = Annotated[Annotated[Text, Tag(TEXT)] | Annotated[FileSpec, Tag(MAPPING)], BY_KIND]


class MessageSpec(SpecModel):
    """One message of the prompt."""

    role: Role
    """Who says it."""
    content: Content
    """What is said: a template, or `{file: path}`."""


class PromptSpec(SpecModel):
    """The messages of a prompt, whichever way they were written."""

    messages: tuple[MessageSpec, ...]
    """In the order of sending."""
    paths: tuple[tuple[str | int, ...], ...]
    """Where the text (or the file's name) of each message stands in the spec."""


class _RolesPrompt(SpecModel):
    """A prompt of one system and one user message."""

    system: Content | None = None
    """What the model is, and how it is to answer."""
    user: Content
    """What is asked."""


_FILE, _ROLES = "<file>", "<roles>"


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return _FILE if "file" in value else _ROLES
    if isinstance(value, list):
        return LIST
    return TEXT if is_textual(value) else "<nothing>"


_Forms: TypeAlias = Annotated[
    Annotated[Text, Tag(TEXT)]
    | Annotated[FileSpec, Tag(_FILE)]
    | Annotated[_RolesPrompt, Tag(_ROLES)]
    | Annotated[tuple[MessageSpec, ...], Field(strict=False, min_length=1, max_length=1000), Tag(LIST)],
    Discriminator(_form),
]


def _messages(prompt: str | FileSpec | _RolesPrompt | tuple[MessageSpec, ...]) -> PromptSpec:
    written: list[tuple[Role, str | FileSpec, tuple[str | int, ...]]]
    if isinstance(prompt, tuple):
        written = [(message.role, message.content, ("prompt", i, "content")) for i, message in enumerate(prompt)]
    elif isinstance(prompt, _RolesPrompt):
        written = [("user", prompt.user, ("prompt", "user"))]
        if prompt.system is not None:
            written.insert(0, ("system", prompt.system, ("prompt", "system")))
    else:
        written = [("user", prompt, ("prompt",))]
    return PromptSpec(
        messages=tuple(MessageSpec(role=role, content=content) for role, content, _ in written),
        paths=tuple(_below_file(path, content) for _, content, path in written),
    )


def _below_file(path: tuple[str | int, ...], content: str | FileSpec) -> tuple[str | int, ...]:
    return (*path, "file") if isinstance(content, FileSpec) else path


class PromptForms:
    """Reads any of the four forms into a `PromptSpec`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_messages, handler.generate_schema(_Forms))
