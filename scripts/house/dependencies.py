"""Checks on what is depended on: banned crates, licences, sources, and which crate may know which.

The lists of bans and licences are deny.toml's, so that cargo-deny and this agree.
"""

import re

GROUND = {"sitewarden-core", "sitewarden-log", "sitewarden-store", "sitewarden-http", "sitewarden-wire"}
# Who may depend on which of the project's own crates; every other slice: the whole ground floor.
ALLOWED = {
    "sitewarden-core": set(),
    "sitewarden-wire": set(),
    "sitewarden-log": {"sitewarden-core"},
    "sitewarden-store": {"sitewarden-core", "sitewarden-log"},
    "sitewarden-unread": set(),
    "sitewarden-http": {"sitewarden-core", "sitewarden-store"},
    "sitewarden-ingest": {"sitewarden-core"},
    "sitewarden-detect": {"sitewarden-core"},
    # In the cloud: it shares formats with the box and, but for one layer of its web server, no code of it.
    "sitewarden-hub": {"sitewarden-core", "sitewarden-log", "sitewarden-unread", "sitewarden-wire"},
}
WIRES_ALL = {"sitewarden"}
# Pure crates have none of these (the broker: only behind its `listener` feature).
PURE = {"sitewarden-core", "sitewarden-log", "sitewarden-ingest", "sitewarden-detect", "sitewarden-broker", "sitewarden-wire"}
NOT_PURE = {"tokio", "rusqlite", "axum", "rustls", "tokio-rustls", "reqwest", "hyper", "socket2", "sitewarden-store"}
# May be used by tests and benches, never shipped.
TESTS_ONLY = {"rumqttc", "rumqttd", "rsigma", "proptest", "tempfile"}


def banned_crates(tree):
    """No crate of deny.toml's bans, whatever the features."""
    bans = {entry["crate"]: entry.get("reason", "") for entry in tree.toml("deny.toml")["bans"]["deny"]}
    found = [package for package in tree.packages.values() if package["name"] in bans]
    return [f"{p['name']} {p['version']} is banned: {bans[p['name']]} (cargo tree -i {p['name']})" for p in found]


def one_crypto_provider(tree):
    """rustls and what builds on it have ring as the provider and no second one."""
    problems = []
    for node in tree.metadata["resolve"]["nodes"]:
        name = tree.packages[node["id"]]["name"]
        second = [feature for feature in node["features"] if re.fullmatch(r"aws[-_]lc[-_](rs|sys)|fips", feature)]
        if second:
            problems.append(f"{name} has the feature {second[0]}: a second crypto provider")
        if name == "rustls" and "ring" not in node["features"]:
            problems.append("rustls is built without ring")
    return problems


def licences(tree):
    """Every dependency's licence expression is satisfied by deny.toml's allow list."""
    allowed = set(tree.toml("deny.toml")["licenses"]["allow"])
    problems = []
    for package in tree.packages.values():
        expression = package["license"]
        if not expression or not satisfied(expression, allowed):
            problems.append(f"{package['name']} {package['version']}: licence {expression!r} is not in deny.toml")
    return problems


def satisfied(expression, allowed):
    """Evaluates an SPDX expression; the old `MIT/Apache-2.0` is read as OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def any_of():
        value = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = all_of() or value
        return value

    def all_of():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = any_of()
            tokens.pop(0)
            return value
        if tokens and tokens[0] == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allowed

    return any_of()


def sources(tree):
    """Dependencies come from one registry or from this repository: no git, no second registry."""
    problems, registries = [], {}
    for package in tree.packages.values():
        source = package["source"]
        if source is None:
            if not package["manifest_path"].startswith(f"{tree.metadata['workspace_root']}/"):
                problems.append(f"{package['name']} comes from outside of the repository: {package['manifest_path']}")
        elif not source.startswith(("registry+", "sparse+")):
            problems.append(f"{package['name']} comes from {source}: only the registry is allowed")
        else:
            registries.setdefault(source, package["name"])
    if len(registries) > 1:
        problems.append(f"more than one registry: {registries}")
    return problems


def ground_floor_only(tree):
    """A slice depends on the ground floor and on no other slice, in tests neither; the binary wires them."""
    problems = []
    own = {member["name"] for member in tree.members}
    for member in tree.members:
        if member["name"] in WIRES_ALL:
            continue
        allowed = ALLOWED.get(member["name"], GROUND)
        for dependency in member["dependencies"]:
            name = dependency["name"]
            # A crate may name itself in its tests, for a feature that only they need.
            if name in own and name != member["name"] and name not in allowed:
                problems.append(f"{member['name']} depends on {name}: slices know the ground floor only")
    return problems


def pure_crates(tree):
    """Pure crates have no runtime, database or web framework, unless behind a feature."""
    problems = []
    for member in tree.members:
        if member["name"] not in PURE:
            continue
        for dependency in member["dependencies"]:
            plain = dependency["kind"] != "dev" and not dependency["optional"]
            if plain and dependency["name"] in NOT_PURE:
                problems.append(f"{member['name']} is pure and must not need {dependency['name']}")
    return problems


def shipped_without_test_tools(tree):
    """What only tests need is not in the binary, nor is a `testing` feature."""
    problems = []
    for line in tree.product:
        package, _, features = line.partition("|")
        name = package.split(" ")[0]
        if name in TESTS_ONLY:
            problems.append(f"{package} is for tests only, yet in the shipped binary (cargo tree -e normal -i {name})")
        if name.startswith("sitewarden") and "testing" in features.split(","):
            problems.append(f"{package} is shipped with its feature `testing`")
    return problems


def lints_inherited(tree):
    """Every member takes the workspace's lints, version, edition and licence, and is not published."""
    problems = []
    for name in tree.matching(r"(gateway|board|hub)(/\w+)?/Cargo\.toml"):
        manifest = tree.toml(name)
        if manifest.get("lints", {}).get("workspace") is not True:
            problems.append(f"{name}: [lints] workspace = true is missing")
        for key in ("version", "edition", "rust-version", "license", "publish"):
            if manifest["package"].get(key) != {"workspace": True}:
                problems.append(f"{name}: {key}.workspace = true is missing")
    return problems


CHECKS = [
    banned_crates,
    one_crypto_provider,
    licences,
    sources,
    ground_floor_only,
    pure_crates,
    shipped_without_test_tools,
    lints_inherited,
]
