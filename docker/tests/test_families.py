"""Every family, packed and not, against the reference's logits (tests/fixtures/families/*/golden.json)."""

import unittest

from support import FAMILIES, TraceTestCase, golden, largest_difference


class Families(TraceTestCase):
    def check(self, family):
        model = FAMILIES / family
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


if __name__ == "__main__":
    unittest.main()
