#!/usr/bin/env python3
"""Finds circles of imports between the modules of src/, crates/ and python/src/, and fails if there is one.

A module is a file. A module and its own parts (those below it) may use each other; two modules of which neither is
part of the other may not, by whatever way around. References in `#[cfg(test)]` modules and in files of tests do not
count.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_CODE = re.compile(r"""//[^\n]*|/\*.*?\*/|r(\#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\[^']*|[^'\\])'""", re.DOTALL)
WORD = re.compile(r"[A-Za-z_]\w*|::|[{},*;]|\S")
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:pub\s*)?mod\s+\w+\s*\{")
START = re.compile(r"(?<![\w:])(?:crate|super|self)\s*::|(?<![\w:])use\s+")


def sources():
    """Each crate's name for itself in other crates, and its folder."""
    yield "bertqa", ROOT / "src"
    for manifest in [*sorted(ROOT.glob("crates/*/Cargo.toml")), ROOT / "python/Cargo.toml"]:
        name = re.search(r'^name\s*=\s*"([^"]+)"', manifest.read_text(), re.MULTILINE)
        yield name.group(1).replace("-", "_"), manifest.parent / "src"


def modules(crate, folder):
    """Paths of modules, and their files, without tests and programs."""
    found = {}
    for file in sorted(folder.rglob("*.rs")):
        parts = list(file.relative_to(folder).with_suffix("").parts)
        if "tests" in parts or parts in (["main"], ["build"]) or parts[0] == "bin":
            continue
        if parts[-1] in ("mod", "lib"):
            parts.pop()
        found[(crate, *parts)] = file
    return found


def without_tests(text):
    text = NOT_CODE.sub(" ", text)
    while match := TEST_MODULE.search(text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: match.start()] + text[end:]
    return text


def tree(words, at, prefix):
    """Paths of a use tree that begins at a word, and where it ends."""
    path, paths = list(prefix), []
    while at < len(words):
        word = words[at]
        if word == "{":
            at += 1
            while at < len(words) and words[at] != "}":
                below, at = tree(words, at, path)
                paths += below
                if at < len(words) and words[at] == ",":
                    at += 1
            return paths, at + 1
        if re.match(r"\w", word) and word != "as":
            path.append(word)
        elif word == "as":
            at += 2
            continue
        elif word not in ("::", "*"):
            break
        at += 1
        if at < len(words) and words[at] != "::" and word not in ("::",) and words[at] != "as":
            break
    return [*paths, path], at


def paths(text):
    """Every path of a text that begins with `crate`, `super`, `self`, or in a `use`."""
    for match in START.finditer(text):
        rest = text[match.start() : match.start() + 4000]
        rest = re.sub(r"^use\s+(::)?", "", rest)
        yield from tree(WORD.findall(rest), 0, [])[0]


def exports(text):
    """Names that a module hands on, and the paths behind them."""
    handed_on = {}
    for match in re.finditer(r"\bpub(?:\([^)]*\))?\s+use\s+", text):
        for path in tree(WORD.findall(text[match.end() : match.end() + 4000]), 0, [])[0]:
            handed_on[path[-1]] = path
    return handed_on


def resolve(path, module, files, crates, handed_on):
    """The module that a path of names leads into, from a module; what is handed on is where it comes from."""
    if path[0] == "crate":
        at, path = (module[0],), path[1:]
    elif path[0] in ("self", "super"):
        at = module
        while path and path[0] in ("self", "super"):
            at, path = (at[:-1] if path[0] == "super" else at), path[1:]
    elif path[0] in crates:
        at, path = (path[0],), path[1:]
    else:
        at = module
    for name in path:
        if (*at, name) in files:
            at = (*at, name)
        elif name in handed_on.get(at, {}) and at != module:
            return resolve(handed_on[at][name], at, files, crates, handed_on)
        else:
            break
    return at


def graph():
    crates = dict(sources())
    files = {}
    for crate, folder in crates.items():
        files |= modules(crate, folder)
    texts = {module: without_tests(file.read_text()) for module, file in files.items()}
    handed_on = {module: exports(text) for module, text in texts.items()}
    edges = {module: set() for module in files}
    for module, text in texts.items():
        for path in paths(text):
            target = resolve(path, module, files, crates, handed_on)
            shared = min(len(module), len(target))
            # A module and its own parts.
            if target in files and module[:shared] != target[:shared]:
                edges[module].add(target)
    return edges


def circles(edges):
    """Strongly connected components of more than one module (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in edges[module]:
            if target not in index:
                visit(target)
            if target in stack:
                low[module] = min(low[module], low[target])
        if low[module] == index[module]:
            at = stack.index(module)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(edges):
        if module not in index:
            visit(module)
    return found


def main():
    sys.setrecursionlimit(10_000)
    edges = graph()
    found = circles(edges)
    for component in found:
        print(f"a circle of {len(component)} modules:")
        for module in component:
            inside = sorted("::".join(target) for target in edges[module] if target in component)
            print(f"  {'::'.join(module)} uses {', '.join(inside)}")
    print(f"{len(edges)} modules, {len(found)} circles")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
