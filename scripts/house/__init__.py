"""The rules of the house that no compiler checks, each a function over the project's tree.

`python3 -m house ROOT` (from scripts/) runs them all; `--write` also rewrites what is generated into the
documents. A check returns problems as text with file and line; it never repairs. `test_*.py` beside
this file shows for each check that it can fail.
"""
