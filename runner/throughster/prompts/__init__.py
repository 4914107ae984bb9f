"""Jinja2 prompts: sandboxed, strict, pure; their variables are known before anything is rendered."""

from throughster.prompts.messages import MessageTemplate, Prompt, PromptTemplate
from throughster.prompts.template import MOST_BYTES, PromptError, Template, compile_template
from throughster.prompts.unit import Reference, TemplateProblem

__all__ = [
    "MOST_BYTES",
    "MessageTemplate",
    "Prompt",
    "PromptError",
    "PromptTemplate",
    "Reference",
    "Template",
    "TemplateProblem",
    "compile_template",
]
