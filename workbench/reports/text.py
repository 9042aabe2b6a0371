"""Texts of users and models inside Markdown: whatever they hold, they stay texts.

Two kinds: a text that is quoted (a token, a title, a name), in which no sign acts; and Markdown
that somebody wrote (a note, a caption), which keeps its Markdown and loses HTML, pictures and all
links but those to the web.
"""

import re
import unicodedata

LONGEST = 300  # characters that are quoted of a long text; the bundle holds all of it
# A colon acts where something follows it at once, as in an address or a :smile:.
SIGNS = re.compile(r"([\\`*_{}\[\]#!|>~$@]|:(?=\S)|^[-+=:]|(?<=^\d)[.)](?=\s|$))")
FENCE = re.compile(r"(`{3,}|~{3,})[\w-]{0,30}\s*")
# What may begin mathematics over several lines. Notebooks take it out before they read Markdown,
# and with it the line that opens a block of code.
MATH = re.compile(r"\$\$|\\begin\{|\\\[")
LINK_START = re.compile(r"\]\((?!(?:https?://|mailto:|#)[^\s<>()]*\))", re.IGNORECASE)
# Controls, halves of pairs, and direction overrides, which act on what comes after.
ACTING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def quoted(text: str) -> str:
    """A text in one line of Markdown, in which nothing acts; cut, and said so, where it is long."""
    plain = visible(shorten(text)).replace("&", "&amp;").replace("<", "&lt;")
    return SIGNS.sub(r"\\\1", plain)


def shorten(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text):,} characters)"


def visible(text: str) -> str:
    """Line breaks as ⏎; controls, direction marks and what else is unseen by their code."""
    return "".join(map(_visible, text))


def markdown_safe(markdown: str) -> str:
    """Markdown of a user, in which no HTML, no picture and no link to a program is left.

    A block of code keeps its signs, unless it may be none to a reader of mathematics; it ends at
    the first line that any reader would end it at.
    """
    lines, fence, math = [], "", False
    for line in re.split(r"\r\n|\r|\n", markdown):
        opening = FENCE.fullmatch(line)
        if fence and re.fullmatch(rf"\s*{fence[0]}{{3,}}\s*", line):
            lines.append(fence)
            fence = ""
        elif fence or not opening:
            text = ACTING.sub(lambda match: _visible(match[0]), line)
            math = math or MATH.search(text) is not None
            lines.append(text if fence and not math else _line_safe(text))
        else:
            fence = opening[1]
            # Mathematics within a line ends at an empty one.
            lines += ["", line] if lines and lines[-1].strip() else [line]
    # A block left open would take in all that follows.
    return "\n".join([*lines, fence] if fence else lines).strip("\n")


def _line_safe(line: str) -> str:
    text = line.replace("<", "&lt;").replace("![", "!\\[").replace("]:", "]\\:")
    return LINK_START.sub(r"]\\(", text)


def _visible(sign: str) -> str:
    if sign == "\n":
        return "⏎"
    hidden = unicodedata.category(sign) in HIDDEN
    return f"‹U+{ord(sign):04X}›" if hidden else sign
