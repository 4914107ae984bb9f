"""JSON Schema: checked when it is loaded, compiled once, and never fetched; the strict reading of answers."""

from throughster.schema.answer import Answer, AnswerSchema, check_schema, load_schema, read_answer, read_schema
from throughster.schema.issues import SchemaError, SchemaIssue, SchemaProblem, json_path
from throughster.schema.strict import drop_added_nulls, strict_schema

__all__ = [
    "Answer",
    "AnswerSchema",
    "SchemaError",
    "SchemaIssue",
    "SchemaProblem",
    "check_schema",
    "drop_added_nulls",
    "json_path",
    "load_schema",
    "read_answer",
    "read_schema",
    "strict_schema",
]
