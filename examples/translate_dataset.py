"""Translate a Hugging Face dataset with a spec; what was translated once is not asked again, whatever the key.

pip install 'throughster[hf]'
python examples/translate_dataset.py                        # canned answers; needs no key
python examples/translate_dataset.py openai:gpt-4.1-mini    # needs OPENAI_API_KEY
"""

import sys
from pathlib import Path

from datasets import Dataset, disable_progress_bars

from throughster.hf_datasets import operation_from_spec, transform

SPEC = Path(__file__).parents[1] / "specs" / "translate.yaml"
PHRASES = ["Happy birthday!", "Where is the train station?", "Thank you for your help."]


def main(*provider: str) -> None:
    disable_progress_bars()
    overrides = {"provider": provider[0]} if provider else {}
    to_french = operation_from_spec(SPEC, column="french", matrix={}, vars={"language": "French"}, **overrides)
    phrases = Dataset.from_dict({"text": PHRASES})
    translated = transform(phrases, to_french, "map", num_proc=2)
    for row in translated:
        print(f"{row['text']:<28} {row['french']['translation']}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
