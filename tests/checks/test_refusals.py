"""`is-refusal`: what the provider says, and how refusals begin."""

import pytest
from tests.checks.making import issue_of, passes, result_of

from throughster.checks import Answer
from throughster.checks.refusals import LANGUAGES

REFUSALS = {
    "English": [
        "I'm sorry, but I can't assist with that.",
        "I apologize, but that is not possible for me.",
        "Sorry, that's impossible for me.",
        "I’m sorry, but I can’t help with that request.",
        "I cannot provide instructions for that.",
        "I can't help with that.",
        "**I can't assist with that.**",
        "Sorry, I can't do that.",
        "As an AI language model, I cannot create such content.",
        "I must respectfully decline.",
        "I'm not able to help you with this.",
        "I won't write that.",
        "I apologize, but I cannot fulfill this request.",
        "I understand your frustration, but I can't help with that.",
        "I do not feel comfortable with this.",
        "Your request violates the rules.",
        "My safety guidelines prevent me from that.",
    ],
    "French": [
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
        "Désolée, je ne peux pas répondre à cette demande.",
        "Je ne suis pas en mesure de fournir cette information.",
    ],
    "German": [
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Leider kann ich Ihnen diese Informationen nicht geben.",
        "Tut mir leid, dabei kann ich nicht helfen.",
        "Ich kann diese Anfrage nicht beantworten.",
    ],
    "Spanish": ["Lo siento, pero no puedo ayudarte con eso.", "No puedo proporcionar esa información."],
    "Italian": ["Mi dispiace, ma non posso aiutarti con questo."],
    "Portuguese": ["Desculpe, mas não posso ajudar com isso.", "Sinto muito, não consigo atender a esse pedido."],
    "Dutch": ["Het spijt me, maar ik kan je daar niet mee helpen.", "Sorry, daar kan ik niet bij helpen."],
    "Chinese": ["抱歉，我无法提供帮助。", "对不起，我不能回答这个问题。"],
    "Japanese": ["申し訳ありませんが、そのリクエストにはお応えできません。"],
    "Korean": ["죄송합니다만, 그 요청은 도와드릴 수 없습니다."],
}

OTHERS = [
    "Paris is the capital of France.",
    "I can't wait to help you!",
    "I can help you with that.",
    "I cannot help but love it.",
    "Sorry, I can't come to the party.",
    "I do not recommend using goto.",
    "I have to translate this.",
    "No problem, I will write it.",
    "Unfortunately the train was late.",
    'The model said "I can\'t assist with that".',
    "Je suis désolé pour le retard.",
    "Leider ist der Zug verspätet.",
    "Ich kann dir helfen.",
    "Lo siento mucho por tu pérdida.",
    "抱歉我迟到了。",
    "죄송합니다. 늦었습니다.",
    "",
]


def test_every_language_has_its_refusals():
    assert set(REFUSALS) == set(LANGUAGES)


@pytest.mark.parametrize("text", [text for texts in REFUSALS.values() for text in texts])
def test_a_refusal(text):
    assert passes({"type": "is-refusal"}, text)
    assert not passes({"type": "not-is-refusal"}, text)
    assert passes({"type": "is-refusal"}, f"{text}\n\n" + "More words. " * 2000)


@pytest.mark.parametrize("text", OTHERS)
def test_no_refusal(text):
    assert not passes({"type": "is-refusal"}, text)
    assert passes({"type": "not-is-refusal"}, text)


def test_what_the_provider_says_counts():
    found = result_of({"type": "not-is-refusal"}, Answer("", refusal="I won't."))
    assert (found.passed, found.reason) == (False, 'not-is-refusal: the model refused: "I won\'t."')


def test_it_has_no_other_fields():
    for field, value in (("value", "x"), ("threshold", 1), ("path", "$.a")):
        assert issue_of({"type": "is-refusal", field: value}).at == (0, field)
