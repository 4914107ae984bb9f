"""What is lost in a conversion changes what is checked, unless it plainly does not."""

from __future__ import annotations

import pytest

HEAD = "prompts: ['Say {{a}}']\nproviders: [openai:gpt-4o]\n"


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        (
            "typo.yaml",
            HEAD + "tests: [{vars: {a: 1}, asserts: [{type: icontains, value: x}]}]\n",
            "`test.asserts`",
        ),
        (
            "top.yaml",
            "prompts: ['Say hi']\nproviders: [openai:gpt-4o]\ntest: [{assert: [{type: is-json}]}]\n",
            "`test`",
        ),
        (
            "zero.yaml",
            HEAD + "tests: [{vars: {a: 1}, threshold: 0, assert: [{type: icontains, value: x}]}]\n",
            "no check can fail the test",
        ),
        (
            "mapping.yaml",
            HEAD + "tests: [{vars: {a: 1}, assert: {type: icontains, value: x}}]\n",
            "the test can no longer fail",
        ),
        ("plain.prompty", "hello\n", "the provider is a guess"),
        ("modl.prompty", "---\nmodl: {api: chat}\n---\nsystem:\nhello\n", "`modl`"),
    ],
)
def test_a_loss_of_meaning_ends_with_1(tmp_path, monkeypatch, command, name, source, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(source)
    outcome = command("convert", name, "-o", "out")
    assert (outcome.code, said in outcome.out + outcome.err) == (1, True)


def test_prompts_that_are_no_text_are_refused(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "five.yaml").write_text("prompts: 5\nproviders: [openai:gpt-4o]\n")
    outcome = command("convert", "five.yaml", "-o", "out")
    assert (outcome.code, "`prompts` is no text" in outcome.err) == (2, True)
