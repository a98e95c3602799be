"""Reads a Dockerfile, so that its steps can be looked at and run where there is no container engine."""

import re
import shlex
from dataclasses import dataclass, field

_HEREDOC = re.compile(r"<<'?(?P<mark>\w+)'?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction.

    Attributes:
        name: as `RUN`, in capitals.
        flags: the `--name=value` in front, by name.
        text: the rest, continuation lines joined.
        heredoc: the text of the file given in place; empty when there is none.
    """

    name: str
    flags: dict[str, str]
    text: str
    heredoc: str = ""

    @property
    def words(self) -> list[str]:
        """The text split as a shell would."""
        return shlex.split(self.text)

    @property
    def pairs(self) -> dict[str, str]:
        """The pairs of an ENV, ARG or LABEL."""
        return {name: value for name, _, value in (word.partition("=") for word in self.words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage; `base` and `name` as FROM has them."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Its instructions of one kind, in order."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    def pairs(self, name: str) -> dict[str, str]:
        """What all its ENV, ARG or LABEL set together."""
        return {key: value for instruction in self.all(name) for key, value in instruction.pairs.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole file: the arguments before the first stage, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]


def parse(text: str) -> Dockerfile:
    """Reads a Dockerfile with continuation lines, comments, flags and one heredoc for each instruction.

    Raises:
        ValueError: an instruction other than ARG stands before the first FROM.
    """
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, *alias = instruction.words
            stages.append(Stage(base=base, name=alias[1] if alias else ""))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            arguments.update(instruction.pairs)
        else:
            raise ValueError(f"{instruction.name} stands before the first FROM")
    return Dockerfile(arguments=arguments, stages=stages)


def _instructions(text: str) -> list[Instruction]:
    found = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        joined = line
        while joined.endswith("\\"):
            joined = joined[:-1] + next(lines).strip()
        name, _, rest = joined.partition(" ")
        flags, rest = _flags(rest.strip())
        heredoc = ""
        opened = _HEREDOC.search(rest) if name in {"COPY", "ADD"} else None
        if opened is not None:
            body = []
            for inner in lines:
                if inner == opened["mark"]:
                    break
                body.append(inner)
            heredoc = "\n".join(body) + "\n"
            rest = (rest[: opened.start()] + rest[opened.end() :]).strip()
        found.append(Instruction(name=name.upper(), flags=flags, text=rest, heredoc=heredoc))
    return found


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags = {}
    while match := re.match(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S+))?\s+", text):
        flags[match["name"]] = match["value"] or ""
        text = text[match.end() :]
    return flags, text
