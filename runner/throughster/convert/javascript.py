"""The JavaScript that is translated: an expression, or a function's body of declarations, `if`, `try` and `return`."""

from __future__ import annotations

from throughster.convert.javascript_expressions import Expressions
from throughster.convert.terms import Term, Unsure, chosen, true_of

__all__ = ["JavaScript"]

_DECLARING = ("const", "let", "var")


class JavaScript(Expressions):
    """`catches`: what fails in it makes it false, since it is inside a `try`."""

    def __init__(self, text: str, *, parsed: bool, calls: bool = False, guards: bool = False) -> None:
        super().__init__(text, parsed=parsed, calls=calls, guards=guards)
        self.catches = False

    def whole(self) -> Term:
        """The one expression that the text is."""
        term = self._expression()
        self._end()
        return term

    def body(self, *, returns_last: bool) -> Term:
        """What a function with this body returns. `returns_last`: the last expression is what it returns."""
        term = self._block("", returns_last=returns_last)
        self._end()
        if term is None:
            raise Unsure
        return term

    def _block(self, closing: str, *, returns_last: bool = False) -> Term | None:
        """What the statements up to `closing` return; None where they come to their end."""
        self._deeper()
        outer = dict(self._names)
        term = self._statements(closing, returns_last=returns_last)
        self._names = outer
        self._depth -= 1
        return term

    def _statements(self, closing: str, *, returns_last: bool) -> Term | None:
        while self._at < len(self._tokens) and self._peek() != closing:
            if self._take(";"):
                continue
            word = self._peek()
            if word in _DECLARING:
                self._declaration()
            elif word == "if":
                return self._if(closing, returns_last=returns_last)
            elif word == "try":
                return self._try(closing)
            elif word == "return":
                self._at += 1
                term = self._returned()
                self._skip_to(closing)
                return term
            elif returns_last and not self._has_statement_behind():
                return self._expression()
            elif self._words("JSON", ".", "parse", "(", "output", ")"):
                self.reads_json = True
            else:
                raise Unsure
        return None

    def _has_statement_behind(self) -> bool:
        return any(text == ";" for _, text in self._tokens[self._at : -1])

    def _skip_to(self, closing: str) -> None:
        """Past what stands behind a `return` and is never run."""
        self._take(";")
        if self._at < len(self._tokens) and self._peek() != closing:
            raise Unsure

    def _declaration(self) -> None:
        self._at += 1
        if self._take("{"):
            names = [self._name()]
            while self._take(","):
                names.append(self._name())
            self._need("}")
            self._need("=")
            owner = self._expression().of("json")
            self._names |= {name: self._json(f"{owner.code}.{name}") for name in names}
            return
        while True:
            name = self._name()
            self._need("=")
            self._names[name] = self._expression()
            if not self._take(","):
                return

    def _if(self, closing: str, *, returns_last: bool) -> Term | None:
        self._at += 1
        self._need("(")
        condition = true_of(self._expression())
        self._need(")")
        read_before = self.reads_json
        then = self._branch()
        otherwise = None
        if self._peek() == "else":
            self._at += 1
            otherwise = self._if(closing, returns_last=False) if self._peek() == "if" else self._branch()
        rest = self._statements(closing, returns_last=returns_last) if then is None or otherwise is None else None
        if then is not None and otherwise is not None:
            self._skip_to(closing)
        self._only_read_before(read_before)
        then, otherwise = then or rest, otherwise or rest
        if then is None or otherwise is None:
            raise Unsure
        self.is_delicate = True
        return self._short(chosen(condition, then, otherwise))

    def _branch(self) -> Term | None:
        if self._take("{"):
            term = self._block("}")
            self._need("}")
            return term
        if self._peek() != "return":
            raise Unsure
        self._at += 1
        term = self._returned()
        self._take(";")
        return term

    def _try(self, closing: str) -> Term:
        """A body that returns false where something in it fails: which a check that cannot be evaluated does anyway."""
        self._at += 1
        self._need("{")
        term = self._block("}")
        self._need("}")
        if self._name() != "catch":
            raise Unsure
        if self._take("("):
            self._name()
            self._need(")")
        self._need("{")
        caught = self._block("}")
        self._need("}")
        self._skip_to(closing)
        if term is None or caught is None or not caught.literal or caught.code not in ("false", "0"):
            raise Unsure
        self.catches = True
        return term

    def _returned(self) -> Term:
        return self._graded() if self._peek() == "{" else self._expression()

    def _graded(self) -> Term:
        """`{pass, score, reason}`, where the score says the same as the verdict."""
        self._need("{")
        found: dict[str, Term] = {}
        while not self._take("}"):
            name = self._name()
            if name == "reason":
                self._skip_value()
            elif self._take(":"):
                found[name] = self._expression()
            else:
                found[name] = self._named(name)
            if self._peek() != "}":
                self._need(",")
        if found.keys() != {"pass", "score"}:
            raise Unsure
        if found["score"].of("boolean") != found["pass"].of("boolean"):
            raise Unsure
        return found["pass"]

    def _skip_value(self) -> None:
        depth = 0
        while self._at < len(self._tokens):
            text = self._tokens[self._at][1]
            if depth == 0 and text in (",", "}"):
                return
            depth += (text in "([{") - (text in ")]}")
            self._at += 1
