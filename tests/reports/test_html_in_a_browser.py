"""The HTML report in a real Chromium, opened as a file: nothing runs, nothing is asked for, and everything works."""

from __future__ import annotations

import json

import pytest
from tests.regression.lines import result_line
from tests.reports.hostile import TEXTS, hostile_lines

from throughster.reports.html import write_page
from throughster.reports.page.shown import visible

SHOWN = "[...document.querySelectorAll('tbody.case')].filter((c) => getComputedStyle(c).display !== 'none')"
IDS = f"{SHOWN}.map((c) => c.querySelector('.line a').textContent)"
FOCUSED = "document.activeElement.closest('tbody.case')?.querySelector('.line a').textContent"


@pytest.fixture
def page(tmp_path):
    """`page(lines)`: the address of the page of these lines of results."""

    def write(lines):
        journal = tmp_path / "results.jsonl"
        journal.write_bytes(b"".join(lines))
        write_page(journal, tmp_path / "page.html", pass_rate=0.5)
        return (tmp_path / "page.html").as_uri()

    return write


@pytest.fixture
def ten(page):
    return page([
        *(result_line(n, 0, id=f"t{n}", latency_s=10.0 - n, text=f"answer {n}", status="failed" if n in (3, 6) else "ok") for n in range(9)),
        result_line(9, 0, id="t9", label="other", text="a zebra", tags=["late"]),
    ])  # fmt: skip


def search(browser, text):
    browser.press("/")
    browser.type(text)
    browser.run("new Promise((done) => setTimeout(done, 200))")


def complaints(browser):
    """Everything that the browser did, or refused to do, beyond showing one file."""
    return {
        "requests": [r["request"]["url"] for r in browser.told("Network.requestWillBeSent")][1:],
        "dialogs": browser.told("Page.javascriptDialogOpening"),
        "errors": browser.told("Runtime.exceptionThrown") + browser.told("Runtime.consoleAPICalled"),
        "log": [entry["entry"]["text"] for entry in browser.told("Log.entryAdded")],
        "frames": browser.told("Page.frameAttached"),
    }


NOTHING = {"requests": [], "dialogs": [], "errors": [], "log": [], "frames": []}


def test_nothing_runs_and_nothing_is_asked_for(browser, page):
    address = page(hostile_lines())
    browser.open(address)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    browser.run(
        "for (const e of document.querySelectorAll('*')) { e.dispatchEvent(new MouseEvent('mouseover')); e.focus?.(); }"
    )
    browser.run("new Promise((done) => setTimeout(done, 300))")
    assert browser.run("[window.pwned, location.href]") == [None, address]
    assert complaints(browser) == NOTHING
    assert browser.run("document.querySelectorAll('script').length") == 1
    found = browser.run(
        "[...document.querySelectorAll('tbody.case')].map((c) => [Number(c.dataset.row), [...c.querySelectorAll('pre')].map((p) => p.textContent)])"
    )
    assert len(found) == len(TEXTS)
    for row, shown in found:
        assert visible(TEXTS[row]) in shown
    search(browser, "npwned")
    assert browser.run("document.getElementById('count').value") == f"0 of {len(TEXTS)} shown"


def test_the_page_runs_what_is_its_own_and_complains_of_nothing(browser, ten):
    browser.open(ten)
    assert browser.run(IDS) == ["t3", "t6", "t0", "t1", "t2", "t4", "t5", "t7", "t8", "t9"]
    assert browser.run("getComputedStyle(document.querySelector('.mark')).borderRadius") != "0px"
    assert browser.run("document.getElementById('count').value") == "10 shown"
    assert complaints(browser) == NOTHING


def test_search_and_filters(browser, ten):
    browser.open(ten)
    search(browser, "ZEBRA")
    assert browser.run(IDS) == ["t9"]
    search(browser, "nowhere to be found")
    assert browser.run(f"[{IDS}.length, document.getElementById('nothing').hidden]") == [0, False]
    browser.press("Escape")
    assert browser.run(f"[{IDS}.length, document.activeElement.id]") == [10, ""]
    browser.run("document.querySelector('[data-filter=fail]').click()")
    assert browser.run(IDS) == ["t3", "t6"]
    assert browser.run("document.querySelector('[data-filter=fail]').getAttribute('aria-pressed')") == "true"
    browser.run("document.querySelector('[data-filter=pass]').click()")
    assert browser.run(f"{IDS}.length") == 10
    browser.press("Escape")
    browser.run(
        "{ const s = document.getElementById('by-label'); s.value = 'other'; s.dispatchEvent(new Event('change')); }"
    )
    assert browser.run(IDS) == ["t9"]


def test_columns_sort(browser, ten):
    browser.open(ten)
    click = "document.querySelector('[data-sort={}] button').click()"
    browser.run(click.format("latency"))
    assert browser.run(IDS)[:3] == ["t9", "t8", "t7"]
    assert browser.run("document.querySelector('[data-sort=latency]').getAttribute('aria-sort')") == "ascending"
    browser.run(click.format("latency"))
    assert browser.run(IDS)[:3] == ["t0", "t1", "t2"]
    browser.run(click.format("row"))
    assert browser.run(IDS) == [f"t{n}" for n in range(10)]


def test_keys_and_clicks(browser, ten):
    browser.open(ten)
    browser.press("j")
    assert browser.run(FOCUSED) == "t3"
    browser.press("ArrowDown")
    assert browser.run(FOCUSED) == "t6"
    browser.press("k")
    browser.press("k")
    assert browser.run(FOCUSED) == "t3"
    browser.press("Enter")
    assert browser.run("document.activeElement.parentElement.open")
    browser.run("document.querySelector('#case-t6-offline-canned .gist').click()")
    assert browser.run("document.querySelector('#case-t6-offline-canned details').open")
    browser.press("/")
    browser.type("j")
    assert browser.run("document.getElementById('find').value") == "j", "a key in the search is a letter"


def test_a_link_leads_to_its_case(browser, ten):
    browser.open(f"{ten}#case-t9-other")
    browser.until(f"{FOCUSED} === 't9'")
    assert browser.run("document.querySelector('#case-t9-other details').open")
    browser.run("document.querySelector('[data-filter=fail]').click()")
    browser.run("location.hash = '#case-t8-offline-canned'")
    browser.until(f"{FOCUSED} === 't8'")
    assert browser.run(f"{IDS}.length") == 10, "a link goes before the filters"


def test_without_scripts_all_can_be_read(browser, page):
    """What is read here is what a browser without scripts lays out; the script of the test itself comes from outside."""
    browser.open(page([result_line(n, 0, text=f"answer {n}", output=f"answer {n}") for n in range(3)]), scripts=False)
    text = json.dumps(browser.call("Accessibility.getFullAXTree"))
    for n in range(3):
        assert f"case-{n}" in text
    assert "Search everything" not in text
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("[...document.querySelectorAll('.tools')].every((tool) => tool.hidden)")
    browser.run("document.querySelector('tbody.case details').open = true")
    assert "answer 0" in browser.run("document.querySelector('tbody.case .answer').innerText")


@pytest.mark.parametrize("width", [390, 760, 1280])
def test_no_screen_is_too_narrow(browser, page, width):
    browser.open(page(hostile_lines()), width=width)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.run("document.documentElement.scrollWidth") <= width


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const under = (node) => { for (; node; node = node.parentElement) { const c = rgba(getComputedStyle(node).backgroundColor); if (c[3] === 255) return c; } return rgba('canvas'); };
  const bad = {};
  for (const node of document.querySelectorAll('body *')) {
    if (!node.checkVisibility({ visibilityProperty: true }) || ![...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim())) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(under(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad[node.tagName + '.' + node.className] = ratio.toFixed(2);
  }
  return bad;
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_is_enough(browser, page, dark):
    """WCAG 2.2, 1.4.3, level AA: 4.5 to 1 for all text."""
    browser.open(page(hostile_lines()), dark=dark)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(15, 19, 23)" if dark else "rgb(255, 255, 255)"
    )
    assert browser.run(CONTRAST) == {}


def test_headers_name_their_cells(browser, ten):
    browser.open(ten)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node.get("ignored")]
    names = {node["name"]["value"] for node in nodes if node["role"]["value"] == "columnheader"}
    assert {"verdict ↑", "test", "provider", "latency"} <= {name.strip() for name in names}
    assert roles.count("rowheader") >= 10
    assert {"banner", "main", "contentinfo", "navigation", "search", "searchbox"} <= set(roles)


def test_it_prints(browser, ten):
    browser.open(ten, media="print")
    assert browser.run(
        "[...document.querySelectorAll('.tools')].every((tool) => getComputedStyle(tool).display === 'none')"
    )
    assert browser.call("Page.printToPDF")["data"]


def test_five_thousand_cases_open_quickly(browser, page):
    """About 2 seconds on the slowest machine that this was tried on; the limit is for one that does much else."""
    address = page(result_line(n, 0, text="word " * 60, output="word " * 60) for n in range(5_000))
    assert browser.open(address) < 15
    assert browser.run("document.getElementById('count').value") == "5,000 shown"
    search(browser, "case-4999")
    assert browser.run(IDS) == ["case-4999"]
