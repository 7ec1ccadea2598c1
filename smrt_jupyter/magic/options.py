"""The line behind a magic: where its words end, and what was probably meant by one that is not known."""

from __future__ import annotations

import difflib
import keyword
import re
import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING

from smrt_jupyter.errors import OptionError
from smrt_jupyter.policy import Policy

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, Namespace, _ArgumentGroup
    from collections.abc import Container, Iterable

# What argparse complains of, as a person would say it.
_COMPLAINTS = (
    (re.compile(r"argument (\S+): expected one argument"), r"\1 has no value"),
    (re.compile(r"argument (\S+): invalid int value: (.+)"), r"\1 takes a whole number, not \2"),
    (re.compile(r"argument (\S+): ignored explicit argument (.+)"), r"\1 takes no value, not even \2"),
)

QUOTES = "'\""
BRACKETS = {"(": ")", "[": "]", "{": "}"}

PLACE = ("region", "profile", "endpoint_url")

# What is done instead of sending a request and waiting for its reply; one at a time.
DEEDS = ("stream", "async", "dry_run", "code", "describe", "list", "panel")
ALONE = ("describe", "list", "panel")
PREVIEWS = ("dry_run", "code")
SHOWN = ("stream", "async")  # what --code may stand beside, and then shows
OF_TEXT = ("markdown",)
OF_TABLES = ("journal", "target_model_column", "s3_input")
ONLY_ASYNC = (
    "input_location",
    "filename",
    "s3_output_path_extension",
    "request_ttl_seconds",
    "invocation_timeout_seconds",
)


def split(line: str) -> list[str]:
    """Split a line into words, as a shell does, but with brackets that hold together as quotes do.

    So ``--data customers[["age", "plan"]]`` needs no quotes around it, and keeps those that are Python's.

    Parameters
    ----------
    line : str

    Returns
    -------
    list of str
        Quotes are taken off where they enclose a whole word or the whole of ``--option="value"``.

    Raises
    ------
    OptionError
        When a quote or bracket stays open.

    Examples
    --------
    >>> split('churn --data customers[["age", "plan"]] --path "[*].score" --region=eu-west-1')
    ['churn', '--data', 'customers[["age", "plan"]]', '--path', '[*].score', '--region=eu-west-1']
    """
    words: list[str] = []
    word, quote, waiting, escaped = "", "", [], False
    for letter in line:
        if escaped or (quote and letter == "\\"):
            escaped = not escaped
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        elif letter in BRACKETS:
            waiting.append(BRACKETS[letter])
        elif waiting and letter == waiting[-1]:
            waiting.pop()
        elif letter.isspace() and not waiting:
            words += [word] if word else []
            word = ""
            continue
        word += letter
    if quote or waiting:
        raise OptionError(f"The line ends before its {quote or waiting[-1]}: {word}")
    return [_without_quotes(each) for each in [*words, *([word] if word else [])]]


def _without_quotes(word: str) -> str:
    name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if len(value) > 1 and value[0] in QUOTES and value[0] == value[-1]:
        inner, escaped = value[1:-1], f"\\{value[0]}"
        if value[0] not in inner.replace(escaped, ""):
            return f"{name}{equals}{inner.replace(escaped, value[0])}"
    return word


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name what was probably meant, as the end of a sentence.

    Parameters
    ----------
    word : str
        What was written.
    known : iterable of str
        What could have been.

    Returns
    -------
    str
        Empty where nothing comes near.

    Examples
    --------
    >>> did_you_mean("--regoin", ["--region", "--profile"])
    ' Did you mean --region?'
    """
    close = _closest(word, known)
    return f" Did you mean {close}?" if close else ""


def _closest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def written(names: Iterable[str], hidden: Container[str]) -> list[str]:
    """Leave out the names that nobody has written, and so nobody can have meant.

    Parameters
    ----------
    names : iterable of str
        All that there are.
    hidden : container of str
        IPython's own, such as ``open``; those that begin with an underscore are its own, too.

    Returns
    -------
    list of str

    Examples
    --------
    >>> written(["customers", "open", "_1"], {"open"})
    ['customers']
    """
    return [name for name in names if name not in hidden and not name.startswith("_")]


def option(name: str) -> str:
    """Write a name as the option that it is: ``dry_run`` as ``--dry-run``."""
    return "--" + name.replace("_", "-")


def as_words(options: Iterable[str]) -> dict[str, str]:
    """Say what parameters are called on a line, those of `Policy` as well, for :func:`smrt_jupyter.errors.reworded`.

    Parameters
    ----------
    options : iterable of str
        Those that there are.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> list(as_words(["--read-timeout"]))
    ['`read_timeout`', '`Policy(read_timeout=...)`', '`Policy(read_timeout=True)`']
    """
    forms = ("`{}`", "`Policy({}=...)`", "`Policy({}=True)`")
    return {form.format(each[2:].replace("-", "_")): f"`{each}`" for each in options for form in forms}


def with_hyphens(word: str) -> str:
    """Take ``--target_variant`` for ``--target-variant``, as Python's users write it."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}"


def parse(parser: ArgumentParser, line: str, misuse: type[Exception]) -> Namespace:
    """Parse the line of a magic.

    Parameters
    ----------
    parser : ArgumentParser
        The magic's.
    line : str
    misuse : type
        What the parser raises; IPython's completer wants it to be IPython's own.

    Returns
    -------
    Namespace

    Raises
    ------
    OptionError
        For an option that there is not, or one without its value.
    """
    try:
        told, unknown = parser.parse_known_args([with_hyphens(word) for word in split(line)])
    except misuse as error:
        raise OptionError(f"{_said(str(error))}.") from None
    if unknown:
        word = unknown[0].partition("=")[0]
        if word.startswith("-"):
            raise _no_option(word, known(parser))
        raise OptionError(
            f"{word} is one word too many: {told.endpoint} is the endpoint.",
            next_step=f"What is sent is named with `--data {word}`.",
        )
    for name, value in vars(told).items():
        if value == "":
            raise OptionError(f"{option(name)} has no value.")
    return told


def _no_option(word: str, options: list[str]) -> OptionError:
    of_policy = {option(each.name): each.name for each in fields(Policy)}
    field = of_policy.get(_closest(word, [*options, *of_policy]) or "")
    if field is None:
        return OptionError(f"There is no option {word}.{did_you_mean(word, options)}")
    return OptionError(
        f"There is no option {word}; `Policy` has `{field}`.",
        next_step="Set it in the table [NAME.policy] of smrt-jupyter.toml, or name a variable that holds "
        f"`Endpoint(..., policy=Policy({field}=...))`.",
    )


def _said(complaint: str) -> str:
    for argparses, ours in _COMPLAINTS:
        if argparses.fullmatch(complaint):
            return argparses.sub(ours, complaint)
    return complaint[:1].upper() + complaint[1:]


def known(parser: ArgumentParser) -> list[str]:
    """Name a parser's long options."""
    return [each for each in parser._option_string_actions if each.startswith("--")]  # noqa: SLF001 - no other way


def help_text(parser: ArgumentParser) -> str:
    """Say what the options are, on one screen.

    Parameters
    ----------
    parser : ArgumentParser
        Whose groups are told; in one where no option has a help text, the names alone.

    Returns
    -------
    str
    """
    lines = [
        "%%sagemaker ENDPOINT [options]               send the cell",
        "%sagemaker ENDPOINT --data NAME [options]    send a variable; a table in as many requests as it takes",
        "",
        "ENDPOINT is the name of an endpoint or a shortcut, or a variable that holds an Endpoint.",
    ]
    width = max(len(_form(action)) for group in _explained(parser) for action in group._group_actions)  # noqa: SLF001
    for group in _groups(parser):
        lines += ["", f"{group.title}:"]
        actions = group._group_actions  # noqa: SLF001
        if group in _explained(parser):
            lines += [f"  {_form(action):<{width}}  {action.help}" for action in actions]
        else:
            names = "  ".join(action.option_strings[0] for action in actions)
            lines += textwrap.wrap(names, 96, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _groups(parser: ArgumentParser) -> list[_ArgumentGroup]:
    return parser._action_groups[2:]  # noqa: SLF001 - argparse has no public list of its groups


def _explained(parser: ArgumentParser) -> list[_ArgumentGroup]:
    return [group for group in _groups(parser) if any(each.help for each in group._group_actions)]  # noqa: SLF001


def _form(action: Action) -> str:
    """Write an option with its short form before it and its value behind."""
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    short = f"{action.option_strings[1]}, " if len(action.option_strings) > 1 else "    "
    return f"{short}{action.option_strings[0]}{value}"


def deed_of(told: Namespace) -> str:
    """Name the one thing to do instead of sending a request and waiting, and refuse options that it would not look at.

    Parameters
    ----------
    told : Namespace
        The options.

    Returns
    -------
    str
        One of `DEEDS`, or nothing.

    Raises
    ------
    OptionError
        For options that exclude one another.
    """
    named = [deed for deed in DEEDS if getattr(told, deed)]
    shown = named[0] if len(named) > 1 and named[0] in SHOWN and named[1:] == ["code"] else ""
    if len(named) > 1 and not shown:
        raise OptionError(f"{option(named[0])} and {option(named[1])} exclude one another.")
    deed = shown or (named[0] if named else "")
    unused = {
        "out": deed in {"dry_run", *ALONE},
        "markdown": deed not in {"", "stream"} or told.raw or told.out,
        "raw": deed in {"stream", "async", *ALONE},
        "expand": deed in ALONE,
        "data": deed in ALONE or (deed == "async" and told.input_location),
        **dict.fromkeys(OF_TABLES, deed not in {"", "code"} or told.raw),
        "s3_input": deed not in {"", "code", "async"} or told.raw,
        **dict.fromkeys(ONLY_ASYNC, deed != "async"),
    }
    for name, is_unused in unused.items():
        if is_unused and getattr(told, name):
            beside = option(deed) if deed else "--raw" if told.raw else "--out" if told.out else ""
            if name in ONLY_ASYNC:
                raise OptionError(f"{option(name)} means nothing without --async.", next_step="Leave it out.")
            raise OptionError(f"{option(name)} means nothing beside {beside}.", next_step="Leave one of them out.")
    if told.out and (not told.out.isidentifier() or keyword.iskeyword(told.out)):
        raise OptionError(f"--out {told.out} is no name that Python could use.")
    return "code" if shown else deed
