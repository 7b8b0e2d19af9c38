"""Each check can fail: for every one, a tree that it accepts and a tree that it does not."""

import tempfile
import unittest
from pathlib import Path

from . import dependencies, documents, source
from .tree import Tree, without_tests

HEAD = "//! What it is.\n//! What it is not.\n//! What must hold.\n"
DENY = '[licenses]\nallow = ["MIT", "ISC"]\n[bans]\ndeny = [{ crate = "openssl-sys", reason = "rustls" }]\n'


def package(name, source="registry+one", licence="MIT", dependencies=(), features=()):
    """One package with its node in the graph."""
    path = f"/project/{name}/Cargo.toml" if source is None else f"/cache/{name}/Cargo.toml"
    listed = [{"kind": None, "optional": False, **dependency} for dependency in dependencies]
    return {
        "id": name, "name": name, "version": "1.0.0", "source": source, "license": licence,
        "manifest_path": path, "dependencies": listed, "features_on": list(features),
    }


class Case(unittest.TestCase):
    """Builds trees in a temporary folder."""

    def tree(self, files=None, packages=(), product=()):
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        files = {"deny.toml": DENY, **(files or {})}
        for name, text in files.items():
            path = Path(root.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        metadata = {
            "packages": list(packages),
            "workspace_members": [p["id"] for p in packages if p["source"] is None],
            "workspace_root": "/project",
            "resolve": {"nodes": [{"id": p["id"], "features": p["features_on"]} for p in packages]},
        }
        return Tree(root.name, sorted(files), metadata, list(product))

    def accepts(self, check, **tree):
        self.assertEqual(check(self.tree(**tree)), [])

    def refuses(self, check, *words, **tree):
        problems = check(self.tree(**tree))
        self.assertTrue(problems, f"{check.__name__} found nothing")
        for word in words:
            self.assertIn(word, "\n".join(problems))


class Dependencies(Case):
    def test_banned_crates(self):
        self.accepts(dependencies.banned_crates, packages=[package("ring")])
        self.refuses(dependencies.banned_crates, "openssl-sys", packages=[package("openssl-sys")])

    def test_one_crypto_provider(self):
        check = dependencies.one_crypto_provider
        self.accepts(check, packages=[package("rustls", features=["ring"])])
        self.refuses(check, "second", packages=[package("rustls", features=["ring", "aws_lc_rs"])])
        self.refuses(check, "without ring", packages=[package("rustls")])

    def test_licences(self):
        check = dependencies.licences
        for good in ("MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(GPL-3.0 OR MIT) AND ISC"):
            self.accepts(check, packages=[package("a", licence=good)])
        for bad in ("GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", None):
            self.refuses(check, "a 1.0.0", packages=[package("a", licence=bad)])

    def test_sources(self):
        check = dependencies.sources
        self.accepts(check, packages=[package("a"), package("own", source=None)])
        self.refuses(check, "git+", packages=[package("a", source="git+somewhere")])
        self.refuses(check, "more than one", packages=[package("a"), package("b", source="registry+two")])
        outside = package("own", source=None) | {"manifest_path": "/elsewhere/Cargo.toml"}
        self.refuses(check, "outside", packages=[outside])

    def own(self, name, *needs):
        return package(name, source=None, dependencies=needs)

    def test_ground_floor_only(self):
        check = dependencies.ground_floor_only
        core, store = self.own("sitewarden-core"), self.own("sitewarden-store", {"name": "sitewarden-core"})
        findings = self.own("sitewarden-findings", {"name": "sitewarden-store"})
        self.accepts(check, packages=[core, store, findings, self.own("sitewarden", {"name": "sitewarden-findings"})])
        slice_ = self.own("sitewarden-devices", {"name": "sitewarden-findings"})
        self.refuses(check, "sitewarden-devices", packages=[core, store, findings, slice_])
        pure = self.own("sitewarden-detect", {"name": "sitewarden-store", "kind": "dev"})
        self.refuses(check, "sitewarden-detect", packages=[core, store, pure])

    def test_pure_crates(self):
        check = dependencies.pure_crates
        self.accepts(check, packages=[self.own("sitewarden-broker", {"name": "tokio", "optional": True})])
        self.refuses(check, "tokio", packages=[self.own("sitewarden-detect", {"name": "tokio"})])

    def test_shipped_without_test_tools(self):
        check = dependencies.shipped_without_test_tools
        self.accepts(check, product=["tokio v1.0.0|net,rt", "sitewarden-store v0.1.0|"])
        self.refuses(check, "rumqttc", product=["rumqttc v0.25.1|"])
        self.refuses(check, "testing", product=["sitewarden-store v0.1.0|testing"])

    def test_lints_inherited(self):
        check = dependencies.lints_inherited
        keys = "".join(f"{key}.workspace = true\n" for key in ("version", "edition", "rust-version", "license", "publish"))
        good = f"[package]\nname = 'a'\n{keys}[lints]\nworkspace = true\n"
        self.accepts(check, files={"gateway/a/Cargo.toml": good})
        self.refuses(check, "lints", files={"gateway/a/Cargo.toml": good.replace("[lints]\nworkspace = true\n", "")})
        self.refuses(check, "license", files={"gateway/a/Cargo.toml": good.replace("license.workspace = true\n", "")})


class Source(Case):
    def test_file_heads(self):
        self.accepts(source.file_heads, files={"gateway/a.rs": HEAD})
        self.refuses(source.file_heads, "gateway/a.rs:1", files={"gateway/a.rs": "fn main() {}\n"})

    def test_file_lengths(self):
        many = "fn a() {}\n" * 401
        self.refuses(source.file_lengths, "401 lines", files={"gateway/a.rs": many})
        self.accepts(source.file_lengths, files={"gateway/tests.rs": many})
        inline = "fn a() {}\n#[cfg(test)]\nmod tests {\n" + "    fn a() {}\n" * 401 + "}\n"
        self.accepts(source.file_lengths, files={"gateway/a.rs": inline})

    def test_test_modules_end_where_they_end(self):
        text = "a\n#[cfg(test)]\nmod tests {\n    fn x() {\n    }\n}\nb\n"
        self.assertEqual([line for line in without_tests(text) if line], ["a", "b"])

    def test_gate_made_once(self):
        line = "fn f() { let gate = Gate::new(decider); }\n"
        self.accepts(source.gate_made_once, files={"gateway/src/app.rs": line, "gateway/a/src/tests.rs": line})
        self.refuses(source.gate_made_once, "gateway/a/src/lib.rs:1", files={"gateway/a/src/lib.rs": line})

    def test_no_left_overs(self):
        self.accepts(source.no_left_overs, files={"a.rs": "// method\n"})
        self.refuses(source.no_left_overs, "a.rs:1", files={"a.rs": "// TODO later\n"})

    def test_no_foreign_places(self):
        check = source.no_foreign_places
        # Put together here, so that this file itself names no such place.
        workplace = "/".join(("", "work", "main"))
        self.accepts(check, files={"a.sh": f"cd scripts{workplace} && ls ../shared/data $HOME/.pki\n"})
        for bad in (workplace, "cat /root/.cargo/x", "/home/elin/x", "https://crates.io", "npmjs.org", "pypi.org"):
            self.refuses(check, "a.sh:1", files={"a.sh": f"{bad}\n"})

    def test_no_sleep_in_tests(self):
        line = "tokio::time::sleep(SECOND).await;\n"
        self.accepts(source.no_sleep_in_tests, files={"gateway/a.rs": line, "tests/stories/support/wait.rs": line})
        self.refuses(source.no_sleep_in_tests, "spine.rs:1", files={"tests/stories/spine.rs": line})

    def test_no_ignored_tests(self):
        deep = '#[test]\n#[ignore = "deep tier: 1,000 streams"]\nfn a() {}\n'
        self.accepts(source.no_ignored_tests, files={"a.rs": "#[test]\nfn a() {}\n", "b.rs": deep})
        self.refuses(source.no_ignored_tests, "a.rs:2", files={"a.rs": "#[test]\n#[ignore]\nfn a() {}\n"})

    def test_errors_name_their_cause(self):
        self.accepts(source.errors_name_their_cause, files={"a.rs": "#[source] io::Error\n"})
        self.refuses(source.errors_name_their_cause, "a.rs:1", files={"a.rs": "Io(#[from] std::io::Error)\n"})

    def test_clippy_settings_agree(self):
        check = source.clippy_settings_agree
        root = 'a = 70\ndisallowed-methods = [{ path = "std::thread::sleep" }]\n'
        self.accepts(check, files={"clippy.toml": root, "gateway/core/clippy.toml": root})
        self.refuses(check, "a differs", files={"clippy.toml": root, "gateway/core/clippy.toml": root.replace("70", "71")})
        self.refuses(check, "sleep", files={"clippy.toml": root, "gateway/core/clippy.toml": "a = 70\n"})

    def test_scripts_are_strict(self):
        check = source.scripts_are_strict
        head = "#!/usr/bin/env bash\n# Does a thing.\n"
        self.accepts(check, files={"scripts/a.sh": head + "set -euo pipefail\n"})
        self.refuses(check, "pipefail", files={"scripts/a.sh": head})
        self.refuses(check, "head", files={"scripts/a.sh": "set -euo pipefail\n"})


class Documents(Case):
    def test_named_paths(self):
        check = documents.named_paths
        self.accepts(check, files={"ARCHITECTURE.md": "`gateway/core/src/gate.rs`\n", "gateway/core/src/gate.rs": HEAD})
        self.refuses(check, "gateway/none.rs", files={"ARCHITECTURE.md": "see `gateway/none.rs`\n"})
        self.refuses(check, "gateway/none/", files={"ARCHITECTURE.md": "see `gateway/none/`\n"})

    def test_named_tests_exist(self):
        code = {"tests/stories/a.rs": "async fn it_works() {}\n"}
        for document in documents.DOCUMENTS:
            self.accepts(documents.named_tests, files={**code, document: "`tests/stories/a.rs::it_works`\n"})
            self.refuses(documents.named_tests, "no test", files={**code, document: "`tests/stories/a.rs::it_does_not`\n"})
            self.refuses(documents.named_tests, "not exist", files={**code, document: "`tests/stories/b.rs::it_works`\n"})

    def test_feature_rows(self):
        check = documents.feature_rows
        self.accepts(check, files={"FEATURES.md": "| BRK-1 | planned | MQTT | - |\n"})
        for bad, word in (
            ("| BRK-1 | done | MQTT | - |\n", "done"),
            ("| BRK-1 | works | MQTT | - |\n", "no test"),
            ("| BRK-1 | planned | MQTT | - |\n" * 2, "twice"),
            ("| BRK-1 | planned |\n", "a row is"),
        ):
            self.refuses(check, word, files={"FEATURES.md": bad})

    def security(self, table):
        return {
            "SECURITY.md": f"{documents.BEGIN}\n{table}\n{documents.END}\n",
            "gateway/core/src/limits.rs": "/// Bytes of one id: 60 is usual.\npub const ID: usize = 256;\n",
        }

    def test_limits_table(self):
        row = "| gateway/core | `ID` | `256` | Bytes of one id: 60 is usual. |"
        head = "| where | limit | value | unit and reason |\n|---|---|---|---|\n"
        self.accepts(documents.limits_table, files=self.security(head + row))
        self.refuses(documents.limits_table, "not in the table", files=self.security(head + row.replace("256", "255")))
        self.refuses(documents.limits_table, "not in the code", files=self.security(head + row + "\n| x | `GONE` | `1` | y |"))
        tree = self.tree(files=self.security(""))
        documents.write_limits(tree)
        self.assertEqual(documents.limits_table(tree), [])

    def test_limits_documented(self):
        check = documents.limits_documented
        self.accepts(check, files={"gateway/a/src/limits.rs": "/// Bytes, for a reason.\npub(crate) const A: u8 = 1;\n"})
        self.refuses(check, "A has no", files={"gateway/a/src/limits.rs": "pub const A: u8 =\n    1;\n"})


if __name__ == "__main__":
    unittest.main()
