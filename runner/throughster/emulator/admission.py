"""Who may have an answer now: limits per minute for each key and model, and a limit of answers under way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from throughster.emulator.answering import count_tokens
from throughster.emulator.question import message_texts
from throughster.emulator.quotas import Account, Standing

if TYPE_CHECKING:
    from throughster.emulator.exchange import RecordedRequest, Route
    from throughster.emulator.options import Options
    from throughster.emulator.question import Question
    from throughster.emulator.trouble import Trouble
    from throughster.emulator.visit import Visit

__all__ = ["Admission"]

_UNTOLD: Final = Standing()


class Admission:
    """`enter` before an answer is made and `leave` once it is sent. `under_way`: the answers between the two."""

    def __init__(self, options: Options, trouble: Trouble) -> None:
        self.under_way = 0
        self._options = options
        self._trouble = trouble
        self._accounts: dict[tuple[str, str], Account] | None = (
            None if options.requests_per_minute is None and options.tokens_per_minute is None else {}
        )

    def first_standing(self) -> Standing | None:
        """Return what is said before key and model are known; None for what such a server usually says."""
        return None if self._accounts is None else _UNTOLD

    def identify(self, visit: Visit, recorded: RecordedRequest, route: Route) -> None:
        """Find the account of the request's key and model, and let the reply's headers tell where it stands."""
        if self._accounts is None:
            return
        named = recorded.body.get("model") if isinstance(recorded.body, dict) else None
        model = route.model or (named if isinstance(named, str) else "")
        key = recorded.headers.get("api-key") or recorded.headers.get("authorization", "").partition(" ")[2].strip()
        now = time.monotonic()
        account = self._accounts.get((key, model))
        if account is None:
            account = self._accounts[key, model] = Account(self._options, now)
        visit.account = account
        visit.standing = account.standing(now)

    def enter(self, visit: Visit, question: Question) -> None:
        """Count an answer and charge its tokens. Raises RejectedError, which costs nothing, where there is no room."""
        most = self._options.max_concurrent
        if most is not None and self.under_way >= most:
            visit.standing = _UNTOLD
            raise self._trouble.overloaded(self._options.overload_status)
        if visit.account is not None:
            self._charge(visit, visit.account, question)
        self.under_way += 1

    def _charge(self, visit: Visit, account: Account, question: Question) -> None:
        cost = _cost(question)
        now = time.monotonic()
        overrun = account.overrun(cost, now)
        if overrun is not None:
            if overrun.limit == "tokens" and self._trouble.counts_refused:
                account.charge(1, 0, now)
            visit.standing = account.standing(now)
            raise self._trouble.rate_limited(overrun, question.model, visit.operation)
        account.charge(1, cost, now)
        visit.charged = cost
        visit.standing = account.standing(now)

    def leave(self, visit: Visit) -> None:
        """Settle the account. What was not answered is not charged; where the provider settles, what was not used."""
        self.under_way -= 1
        if visit.account is not None and (self._trouble.settles or not visit.used):
            visit.account.charge(0, visit.used - visit.charged, time.monotonic())


def _cost(question: Question) -> int:
    """Tokens that a request is charged before it is answered: the prompt's, and all that the answers may have."""
    prompt = count_tokens(sum(map(len, message_texts(question.messages))))
    if question.max_tokens is None:
        return prompt
    return prompt + question.n * (question.max_tokens + question.reasoning_tokens)
