"""The reference: transformers 5.2.0's QuestionAnsweringPipeline in f32 on the CPU, one window at a time.

Needs `pip install torch==2.13.0 transformers==5.2.0`.
"""

import torch
import transformers
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

VERSION = "5.2.0"


def load(model, tokenizer, threads=None):
    """The pipeline with the model and tokenizer of the two folders."""
    if transformers.__version__ != VERSION:
        raise SystemExit(
            f"transformers {VERSION} is the reference, found {transformers.__version__}: "
            f"pip install transformers=={VERSION}"
        )
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if threads:
        torch.set_num_threads(threads)
    network = AutoModelForQuestionAnswering.from_pretrained(model, dtype=torch.float32).eval()
    return pipeline("question-answering", model=network, tokenizer=AutoTokenizer.from_pretrained(tokenizer))


def ask(qa, row, **options):
    """The answers to one row, best first: dicts of answer, score, start and end. `options` go to the pipeline."""
    settings = {"max_seq_len": 512, "doc_stride": 128, "align_to_words": False, "batch_size": 1} | options
    answers = qa(question=row["question"], context=row["context"], **settings)
    answers = answers if isinstance(answers, list) else [answers]
    return [{key: answer[key] for key in ("answer", "score", "start", "end")} for answer in answers]
