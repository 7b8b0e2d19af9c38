"""The project's tree as the checks see it: files that git knows or would add, and cargo's own view.

Read-only. Everything that is slow (git, cargo) is asked once and kept; tests put the answers in.
"""

import json
import re
import subprocess
import tomllib
from functools import cached_property
from pathlib import Path

PLATFORMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]


class Tree:
    """One checkout. `files`, `metadata` and `product` may be given, for the tests of the checks."""

    def __init__(self, root, files=None, metadata=None, product=None):
        self.root = Path(root)
        for name, value in (("files", files), ("metadata", metadata), ("product", product)):
            if value is not None:
                self.__dict__[name] = value

    @cached_property
    def files(self):
        """Paths relative to the root, ignored files left out, sorted."""
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=self.root, capture_output=True, check=True, text=True).stdout
        return sorted(name for name in set(listed.split("\0")) if name and (self.root / name).is_file())

    def matching(self, pattern):
        """Files whose whole path matches the regular expression."""
        return [name for name in self.files if re.fullmatch(pattern, name)]

    def read(self, name):
        """Text of a file; empty for one that is not text."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return ""

    def toml(self, name):
        """A TOML file as a dictionary."""
        return tomllib.loads(self.read(name))

    def cargo(self, *arguments):
        """Output of a cargo command."""
        done = subprocess.run(["cargo", *arguments], cwd=self.root, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"cargo {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout

    @cached_property
    def metadata(self):
        """`cargo metadata` with all features, for the platforms that are shipped."""
        platforms = [word for platform in PLATFORMS for word in ("--filter-platform", platform)]
        return json.loads(self.cargo("metadata", "--format-version", "1", "--all-features", *platforms))

    @cached_property
    def product(self):
        """What ships in the binary, without what only tests use: lines `name version|feature,feature`."""
        format_ = "{p}|{f}"
        tree = ["tree", "--package", "sitewarden", "--edges", "normal,build", "--prefix", "none", "--format", format_]
        lines = self.cargo(*tree, "--target", PLATFORMS[0], "--no-dedupe").splitlines()
        return sorted({re.sub(r" \(.*?\)", "", line) for line in lines if line})

    @cached_property
    def packages(self):
        """Packages of the dependency graph by id."""
        return {package["id"]: package for package in self.metadata["packages"]}

    @cached_property
    def members(self):
        """The workspace's own packages."""
        return [self.packages[member] for member in self.metadata["workspace_members"]]


def without_tests(text):
    """The lines of a Rust file, with `#[cfg(test)] mod x { .. }` blanked; rustfmt's layout is relied on."""
    lines = text.splitlines()
    kept, index = [], 0
    while index < len(lines):
        follows = lines[index + 1] if index + 1 < len(lines) else ""
        indent = re.match(r"( *)#\[cfg\(test\)\]$", lines[index])
        if indent and re.match(r" *(pub(\(.*\))? )?mod \w+ \{$", follows):
            end = index + 1
            while end < len(lines) and lines[end] != indent[1] + "}":
                end += 1
            kept.extend("" for _ in lines[index : end + 1])
            index = end + 1
        else:
            kept.append(lines[index])
            index += 1
    return kept


def is_test_file(name):
    """Files that hold only tests or what tests share."""
    return bool(re.search(r"(^|/)(tests|testing|benches)(/|\.rs$)", name))
