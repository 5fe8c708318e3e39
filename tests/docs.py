"""Checks README and docs/: relative links and their anchors exist, `bertqa` commands in sh blocks have flags that the
program knows, json blocks parse, and the table of families in docs/models.md is what the program lists.

usage: python3 tests/docs.py [BERTQA]     (without BERTQA, commands are not checked)
"""

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SEPARATORS = {"|", "||", "&&", ";", "&", ">", "<"}


def pages():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]


def without_code(text):
    return re.sub(r"`[^`\n]*`", "`code`", FENCE.sub("", text))


@cache
def anchors(page):
    """The ids that GitHub gives to headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def links(page, text):
    for target in LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists():
            yield f"{target}: no such file"
        elif anchor and anchor not in anchors(linked):
            yield f"{target}: no such heading"


@cache
def flags(binary, *command):
    done = subprocess.run([binary, *command, "--help"], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))


def commands(block):
    """The arguments of each `bertqa` in a block, and of `cargo run`'s."""
    for line in block.replace("\\\n", " ").split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if word in SEPARATORS:
                if words and words[0] == "bertqa":
                    yield words[1:]
                elif words[:2] == ["cargo", "run"] and "--" in words:
                    yield words[words.index("--") + 1 :]
                words = []
            else:
                words.append(word)


def code(text, binary):
    for language, block in FENCE.findall(text):
        if language == "json":
            for value in [block] if block.lstrip().startswith("{\n") else filter(None, block.split("\n")):
                try:
                    json.loads(value)
                except ValueError as error:
                    yield f"json: {error}: {value[:80]}"
        elif language in ("sh", "bash") and binary:
            for command, *arguments in commands(block):
                # A word behind the command may be one of its own commands.
                more = [word for word in arguments[:1] if not word.startswith("-")]
                known = {"--version", "--help"} if command.startswith("-") else flags(binary, command, *more)
                if known is None:
                    yield f"bertqa {command}: no such command"
                    continue
                for argument in arguments:
                    flag = argument.partition("=")[0]
                    if re.match(r"--?[a-z]", flag) and flag not in known:
                        yield f"bertqa {command}: no flag {flag}"


def families(binary):
    """The table of families is what the program lists, and README has their number."""
    listed = subprocess.run([binary, "models", "list", "--json"], capture_output=True, text=True, check=True).stdout
    listed = json.loads(listed)
    names = [", ".join(f"`{name}`" for name in family["model_types"]) for family in listed]
    rows = "".join(f"| {name} | {family['notes']} |\n" for name, family in zip(names, listed, strict=True))
    table = f"| `model_type` of config.json | notes |\n| --- | --- |\n{rows}\n"
    if table not in (ROOT / "docs/models.md").read_text(encoding="utf-8"):
        yield f"docs/models.md: the table of families is to be what the program lists:\n{table}"
    count = sum(len(family["model_types"]) for family in listed)
    named = re.findall(r"(\d+) families", (ROOT / "README.md").read_text(encoding="utf-8"))
    if named != [str(count)]:
        yield f"README.md: there are {count} families, not {' or '.join(named)}"


def main():
    binary = str(Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else None
    problems = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        found = [*links(page, text), *code(text, binary)]
        problems += [f"{page.relative_to(ROOT)}: {problem}" for problem in found]
    if binary:
        problems += families(binary)
    print("\n".join(problems) or "README and docs: links, commands and json are right")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
