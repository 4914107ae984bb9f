"""Texts that would break out of a page that does not escape, in every field that a model, the data or a spec can fill."""

from __future__ import annotations

from tests.regression.lines import result_line

from throughster.running.result import Call, CheckResult, Failure
from throughster.types import Attempt, Usage

OUT = "http://127.0.0.1:9/"
TEXTS = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "</style><script>window.pwned = 3</script>",
    "</pre></td></table></details><script>window.pwned = 4</script>",
    "</title></head><body onload='window.pwned = 5'>",
    f'<img src="{OUT}x" onerror="window.pwned = 6">',
    '" onmouseover="window.pwned = 7" autofocus onfocus="window.pwned = 7" x="',
    "' onfocus='window.pwned = 8' autofocus tabindex=0 x='",
    "<svg onload=window.pwned=9><animate onbegin=window.pwned=9></svg>",
    f'<iframe src="{OUT}frame" srcdoc="<script>parent.pwned = 10</script>"></iframe>',
    f'<meta http-equiv="refresh" content="0;url={OUT}">',
    f'<link rel="stylesheet" href="{OUT}a.css"><style>@import url({OUT}b.css); * {{ display: none }}</style>',
    f'<base href="{OUT}"><a id="find" name="table">clobber</a><form id="count"><input name="value"></form>',
    f'<object data="{OUT}o"></object><embed src="{OUT}e"><video src="{OUT}v" autoplay></video>',
    "javascript:window.pwned=11",
    "<!-- <![CDATA[ ]]> --!> <?php ?> <%= 7 * 7 %>",
    "{{ 7 * 7 }}{% raw %}{# x #}${7 * 7}",
    "&lt;script&gt;&amp;&#60;&nbsp;&copy",
    "a\u2028b\u2029c",
    "\u202egnp.exe\u2066x\u2069 \x1b[31mred\x00\x07",
    "\r\nTwo\rlines\n\n",
    "אבג <b>דהו</b> 漢字 🙈",
)


def hostile_lines():
    """A line of results for each text, which stands in every field of it."""
    for n, text in enumerate(TEXTS):
        yield result_line(
            n, 0, id=f"{n} {text}", spec=f"spec {TEXTS[0]}", label=f"label {text}", model=text, deployment=text,
            vars={f"name {text}": text, "deep": [text, {text: text}]}, status=("failed", "error", "refused", "ok")[n % 4],
            output={text: [text]} if n % 2 else text, text=text,
            tool_calls=(Call("1", text, {text: text}), Call("2", text, text)), finish_reason=text, refusal=text,
            usage=Usage(1, 1, 2), attempts=(Attempt(1, "transport", 500, text, 0.1), Attempt(2, "transport", 200, None, 0.1)),
            checks=(CheckResult(text, False, 0.0, text, text), CheckResult("equals", True, 1.0, text, None)),
            error=Failure(text, text, 500, text),
        )  # fmt: skip
