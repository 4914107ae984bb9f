"""What the tests of checks share: one check compiled and run, and judges that say what they are told to."""

from __future__ import annotations

import asyncio

from throughster.checks import Answer, Rating, compile_checks
from throughster.types import CheckResult


def compiled(*entries, **where):
    """The checks, none of which has an error."""
    checks, issues = compile_checks(entries, **where)
    assert [issue for issue in issues if issue.severity == "error"] == []
    return checks


def issues_of(*entries, **where):
    return compile_checks(entries, **where)[1]


def issue_of(entry, **where):
    (issue,) = issues_of(entry, **where)
    return issue


def result_of(entry, answer, **where) -> CheckResult:
    (check,) = compiled(entry, **where)
    return check.run(answer if isinstance(answer, Answer) else Answer(answer))


def passes(entry, answer, **where):
    return result_of(entry, answer, **where).passed


def json_answer(output, text="", **more):
    return Answer(text or "{}", output=output, has_output=True, **more)


def negated(entry):
    return {**entry, "type": f"not-{entry['type']}"}


def assert_cannot_be_evaluated(entry, answer, why, **where):
    """The check fails and says why, negated or not."""
    for one in (entry, negated(entry)):
        found = result_of(one, answer, **where)
        assert not found.passed
        assert found.score == 0.0
        assert found.reason.startswith(f"{one['type']}: cannot be evaluated: ")
        assert why in found.reason


class Judge:
    """Gives the judgements in turn, the last one for ever, and keeps what it was asked. An error is raised."""

    def __init__(self, *judgements, repeat=1, rating=None, mass=1.0, embeddings=None):
        self.judgements = list(judgements)
        self.repeat = repeat
        self.rating = rating
        self.mass = mass
        self.embeddings = embeddings
        self.asked = []

    def _next(self):
        found = self.judgements.pop(0) if len(self.judgements) > 1 else self.judgements[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def ask(self, messages, schema):
        self.asked.append((messages, schema))
        return self._next()

    async def rate(self, messages, scores):
        self.asked.append((messages, scores))
        if isinstance(self.rating, Exception):
            raise self.rating
        return None if self.rating is None else Rating(self.rating, self.mass)

    async def embed(self, texts):
        self.asked.append(texts)
        return self.embeddings


def judged(entry, answer, judge) -> CheckResult:
    (check,) = compiled(entry)
    return asyncio.run(check.judge(answer if isinstance(answer, Answer) else Answer(answer), judge))
