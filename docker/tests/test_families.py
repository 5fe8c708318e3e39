"""Every family, packed and not, against the reference's logits (tests/fixtures/families/*/golden.json)."""

import json
import unittest

from support import FAMILIES, TraceTestCase, golden, largest_difference
from transformers import CONFIG_MAPPING

from tracing import families


class Families(TraceTestCase):
    def check(self, family):
        model = FAMILIES / family
        model_type = json.loads((model / "config.json").read_text(encoding="utf-8"))["model_type"]
        if model_type not in CONFIG_MAPPING:
            self.skipTest(f"this transformers has no {model_type}")
        windows = golden(model)
        for packed in (True, False):
            with self.subTest(packed=packed):
                manifest, _ = self.trace(model=model, packed=packed)
                for batch_size in (1, 3):
                    difference, rows = largest_difference(self.output, manifest, windows, batch_size)
                    self.assertLess(difference, 1e-4)
                    if packed:
                        self.assertLess(rows, len(windows), "no two windows share a row")

    def test_bert(self):
        self.check("bert")

    def test_roberta(self):
        self.check("roberta")

    def test_xlm_roberta(self):
        self.check("xlm-roberta")

    def test_distilbert(self):
        self.check("distilbert")

    def test_electra(self):
        self.check("electra")

    def test_albert(self):
        self.check("albert")

    def test_albert_with_groups(self):
        self.check("albert-groups")

    def test_deberta_v2(self):
        self.check("deberta-v2-absolute")

    def test_modernbert(self):
        self.check("modernbert")

    def test_ernie(self):
        self.check("ernie")

    def test_data2vec_text(self):
        self.check("data2vec-text")

    def test_luke(self):
        self.check("luke")

    def test_roberta_prelayernorm(self):
        self.check("roberta-prelayernorm")

    def test_xlm_roberta_xl(self):
        self.check("xlm-roberta-xl")

    def test_megatron_bert(self):
        self.check("megatron-bert")

    def test_rembert(self):
        self.check("rembert")

    def test_nezha(self):
        self.check("nezha")

    def test_mpnet(self):
        self.check("mpnet")

    def test_roformer(self):
        self.check("roformer")

    def test_roformer_with_rotary_values(self):
        self.check("roformer-values")

    def test_what_cannot_be_compiled(self):
        self.refused("its head looks for", model=FAMILIES / "splinter")
        self.refused("its attention depends on where the question ends", model=FAMILIES / "longformer")
        self.refused("a convolution", model=FAMILIES / "deberta-v2")
        self.refused("position_embedding_type relative_key", model=FAMILIES / "bert-relative-key")

    def test_every_family_of_bertqa_is_compiled_or_refused_with_the_reason(self):
        known = set(families.FAMILIES) | set(families.NOT_COMPILED)
        for config in FAMILIES.glob("*/config.json"):
            self.assertIn(json.loads(config.read_text(encoding="utf-8"))["model_type"], known)
        self.assertFalse(set(families.FAMILIES) & set(families.NOT_COMPILED))


if __name__ == "__main__":
    unittest.main()
