"""Records in golden.json what transformers' pipeline makes of the calls in cases.py.

usage: python golden.py     with transformers 5.2.0 for the calls by name, and again with 4.57.1 for those by position
"""

import json
import warnings
from pathlib import Path

import transformers
from transformers.data import SquadExample

import cases

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
CASES = {"5.2.0": cases.NAMED, "4.57.1": cases.POSITIONAL}


def squad(question, context):
    return SquadExample(None, question, context, None, None, None)


def main():
    warnings.simplefilter("ignore")
    version = transformers.__version__
    model, tokenizer = str(ROOT / "models/default"), str(ROOT / "tokenizer")
    pipe = transformers.pipeline("question-answering", model=model, tokenizer=tokenizer, dtype="float32", device="cpu")
    path = FOLDER / "golden.json"
    golden = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    golden[version] = {name: cases.outcome(case, pipe, squad) for name, case in CASES[version].items()}
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
