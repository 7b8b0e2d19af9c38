"""The counting of `make test`: each closing line that a part may end with."""

import unittest

from counts import counts


class Counts(unittest.TestCase):
    def test_closing_lines(self):
        for text, wanted in (
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n", (12, 0, 1)),
            ("Ran 20 tests in 0.1s\n\nFAILED (failures=1, errors=2)\n", (17, 3, 0)),
            ("house: 22 passed, 2 failed\n", (22, 2, 0)),
            ("\x1b[34mℹ pass 5\x1b[39m\nℹ fail 1\nℹ skipped 2\n", (5, 1, 2)),
            ("skipped: rtl_433 is not installed\ntest result: ok. 3 passed; 0 failed; 0 ignored\n", (2, 0, 1)),
            ("nothing\n", (0, 0, 0)),
        ):
            self.assertEqual(counts(text), wanted, text)


if __name__ == "__main__":
    unittest.main()
