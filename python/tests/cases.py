"""Calls of a question-answering pipeline: golden.py records what transformers makes of them, and test_pipeline.py holds
bertqa to that.

Each takes the pipeline, and what makes a SquadExample of a question and a context.
"""

QUESTION = "Where was the company founded?"
CONTEXT = "The company was founded in Paris by three engineers."
OTHER_QUESTION = "Who lives in the lighthouse?"
OTHER_CONTEXT = "Ada, a retired teacher, has lived in the lighthouse since 1998."
EXAMPLE = {"question": QUESTION, "context": CONTEXT}
OTHER = {"question": OTHER_QUESTION, "context": OTHER_CONTEXT}
LONG = " ".join(
    f"In {year} the town had {3 * year} people, and its mayor was Ada {year}." for year in range(1800, 1860)
)
JAPANESE = {
    "question": "東京タワーの高さは?",
    "context": "東京タワーは港区にある高さ333メートルの電波塔で、1958年に完成した。",
}


def generated(*examples):
    yield from examples


class Dataset:
    """As torch's: items and a length, and no iterator."""

    def __len__(self):
        return 2

    def __getitem__(self, place):
        return (EXAMPLE, OTHER)[place]


def ask(**arguments):
    return lambda pipe, squad: pipe(**arguments)


def of_example(**options):
    return ask(**EXAMPLE, **options)


def of_long(**options):
    return ask(question="Who was mayor in 1849?", context=LONG, **options)


# By name, as transformers 5.2.0 has it.
NAMED = {
    "two texts": of_example(),
    "two lists": ask(question=[QUESTION, OTHER_QUESTION], context=[CONTEXT, OTHER_CONTEXT]),
    "lists of one": ask(question=[QUESTION], context=[CONTEXT]),
    "several questions, one context": ask(question=[QUESTION, "Who founded it?"], context=CONTEXT),
    "a list of one question, a context": ask(question=[QUESTION], context=CONTEXT),
    "one question, several contexts": ask(question=QUESTION, context=[CONTEXT, OTHER_CONTEXT]),
    "empty lists": ask(question=[], context=[]),
    "lists of different lengths": ask(question=[QUESTION], context=[CONTEXT, CONTEXT]),
    "an empty question": ask(question="", context=CONTEXT),
    "an empty context": ask(question=QUESTION, context=""),
    "an empty question in a list": ask(question=[QUESTION, ""], context=[CONTEXT, CONTEXT]),
    "a question that is None": ask(question=None, context=CONTEXT),
    "a context that is None": ask(question=QUESTION, context=None),
    "a question in a list that is None": ask(question=[QUESTION, None], context=[CONTEXT, CONTEXT]),
    "a question that is a number": ask(question=3, context=CONTEXT),
    "a question in a list that is a number": ask(question=[3, QUESTION], context=[CONTEXT, CONTEXT]),
    "a tuple of questions": ask(question=(QUESTION, OTHER_QUESTION), context=CONTEXT),
    "a generator by name": lambda pipe, squad: pipe(question=generated(QUESTION), context=CONTEXT),
    "no context": ask(question=QUESTION),
    "nothing": ask(),
    "top_k 2": of_example(top_k=2),
    "top_k 5 of several": ask(question=[QUESTION, QUESTION], context=[CONTEXT, OTHER_CONTEXT], top_k=5),
    "top_k 20 of one word": ask(question=QUESTION, context="Paris", top_k=20),
    "top_k 0": of_example(top_k=0),
    "top_k -1": of_example(top_k=-1),
    "top_k that is no whole number": of_example(top_k=1.5),
    "top_k that is text": of_example(top_k="2"),
    "topk": of_example(topk=2),
    "max_answer_len 0": of_example(max_answer_len=0),
    "max_answer_len 1": of_example(max_answer_len=1),
    "max_answer_len 3": of_example(max_answer_len=3, top_k=3),
    "max_answer_len 30": of_example(max_answer_len=30, top_k=3),
    "doc_stride over max_seq_len": of_example(doc_stride=50, max_seq_len=30),
    "doc_stride of max_seq_len": of_long(doc_stride=64, max_seq_len=64),
    "doc_stride over the room": of_long(doc_stride=60, max_seq_len=64),
    "a question over max_seq_len": of_example(max_seq_len=8),
    "max_seq_len over the model's": of_example(max_seq_len=100_000),
    "a long context": of_long(top_k=3),
    "a long context in small windows": of_long(max_seq_len=64, doc_stride=16, top_k=4),
    "a long context in small windows, half of them shared": of_long(max_seq_len=64, top_k=4),
    "a long context without an answer": ask(
        question="What colour is the sky?", context=LONG, max_seq_len=64, handle_impossible_answer=True, top_k=2
    ),
    "handle_impossible_answer": ask(question="What colour is it?", context=CONTEXT, handle_impossible_answer=True),
    "handle_impossible_answer, top_k": ask(
        question="What colour is it?", context=CONTEXT, handle_impossible_answer=True, top_k=3
    ),
    "align_to_words": of_example(align_to_words=True, top_k=3),
    "no align_to_words": of_example(align_to_words=False, top_k=3),
    "Japanese": ask(**JAPANESE, top_k=2),
    "Japanese, no align_to_words": ask(**JAPANESE, align_to_words=False, top_k=2),
    "characters of many bytes": ask(question="Where?", context="Zoë 🙂 lives in 東京 and in Ångström.", top_k=2),
    "white space": ask(question=QUESTION, context="The\n\tcompany  was  founded\nin   Paris ."),
    "a blank context": ask(question=QUESTION, context="  "),
    "batch_size": ask(question=[QUESTION] * 3, context=[CONTEXT] * 3, batch_size=2),
    "num_workers": ask(question=[QUESTION] * 2, context=[CONTEXT] * 2, num_workers=0),
    "padding": of_example(padding="max_length"),
    "max_question_len": of_example(max_question_len=2),
    "an unknown option": of_example(colour="green"),
    "options that are None": of_example(top_k=None, max_seq_len=None, doc_stride=None, align_to_words=None),
}

# By position, as transformers 4.57.1 had it; later ones take names only.
POSITIONAL = {
    "a dict": lambda pipe, squad: pipe(EXAMPLE),
    "a dict, top_k": lambda pipe, squad: pipe(EXAMPLE, top_k=2),
    "a dict of lists": lambda pipe, squad: pipe({"question": [QUESTION, OTHER_QUESTION], "context": [CONTEXT] * 2}),
    "a dict with another key": lambda pipe, squad: pipe({**EXAMPLE, "id": 1}),
    "a dict without a context": lambda pipe, squad: pipe({"question": QUESTION}),
    "a dict with a context that is None": lambda pipe, squad: pipe({"question": QUESTION, "context": None}),
    "a dict with an empty context": lambda pipe, squad: pipe({"question": QUESTION, "context": ""}),
    "a list of dicts": lambda pipe, squad: pipe([EXAMPLE, OTHER]),
    "a list of a dict": lambda pipe, squad: pipe([EXAMPLE]),
    "a list of a dict, top_k": lambda pipe, squad: pipe([EXAMPLE], top_k=2),
    "a tuple of dicts": lambda pipe, squad: pipe((EXAMPLE, OTHER)),
    "a list of dicts, one with an empty question": lambda pipe, squad: pipe([EXAMPLE, {**OTHER, "question": ""}]),
    "two dicts": lambda pipe, squad: pipe(EXAMPLE, OTHER),
    "an example": lambda pipe, squad: pipe(squad(QUESTION, CONTEXT)),
    "a list of examples": lambda pipe, squad: pipe([squad(QUESTION, CONTEXT), squad(OTHER_QUESTION, OTHER_CONTEXT)]),
    "a dict and an example": lambda pipe, squad: pipe(EXAMPLE, squad(OTHER_QUESTION, OTHER_CONTEXT)),
    "question and context": lambda pipe, squad: pipe(QUESTION, CONTEXT),
    "a text": lambda pipe, squad: pipe(QUESTION),
    "a list of texts": lambda pipe, squad: pipe([QUESTION, CONTEXT]),
    "a number": lambda pipe, squad: pipe(3),
    "an empty list": lambda pipe, squad: pipe([]),
    "a generator": lambda pipe, squad: list(pipe(generated(EXAMPLE, OTHER))),
    "a generator of one": lambda pipe, squad: list(pipe(generated(EXAMPLE))),
    "a generator of none": lambda pipe, squad: list(pipe(generated())),
    "a generator, top_k": lambda pipe, squad: list(pipe(generated(EXAMPLE, OTHER), top_k=2)),
    "a generator of examples": lambda pipe, squad: list(pipe(generated(squad(QUESTION, CONTEXT)))),
    "a generator of dicts with other keys": lambda pipe, squad: list(pipe(generated({**EXAMPLE, "id": 1}))),
    "a generator of a dict without a context": lambda pipe, squad: list(pipe(generated({"question": QUESTION}))),
    "a generator of dicts, batch_size": lambda pipe, squad: list(pipe(generated(EXAMPLE, OTHER), batch_size=2)),
    "the length of a generator": lambda pipe, squad: len(pipe(generated(EXAMPLE))),
}


def outcome(case, pipe, squad):
    """What a case gives: a value, or the names of an exception and of what it is derived from."""
    try:
        return {"value": case(pipe, squad)}
    except BaseException as error:  # noqa: B036 - pyo3's panics are no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return {"raises": [kind.__name__ for kind in type(error).__mro__[:-2]]}
