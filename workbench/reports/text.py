"""Escapes texts of users and models for Markdown.

Quoted texts (a token, a title, a name) are escaped completely. Markdown of users (a note, a
caption) keeps its formatting but loses HTML, pictures and all links except those to the web.
"""

import re
import unicodedata

LONGEST = 300  # quoted characters of a long text; the bundle holds all of it
# A colon has an effect before a non-space character, as in an address or a :smile:.
SIGNS = re.compile(r"([\\`*_{}\[\]#!|>~$@]|:(?=\S)|^[-+=:]|(?<=^\d)[.)](?=\s|$))")
FENCE = re.compile(r"(`{3,}|~{3,})[\w-]{0,30}\s*")
# May begin mathematics over several lines. Notebooks extract mathematics before they parse
# Markdown, including a line that opens a code block.
MATH = re.compile(r"\$\$|\\begin\{|\\\[")
LINK_START = re.compile(r"\]\((?!(?:https?://|mailto:|#)[^\s<>()]*\))", re.IGNORECASE)
# Control characters, lone surrogates and direction overrides, which affect the text after them.
ACTING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def quoted(text: str) -> str:
    """A text as one line of escaped Markdown; a long text is cut, with its length."""
    plain = visible(shorten(text)).replace("&", "&amp;").replace("<", "&lt;")
    return SIGNS.sub(r"\\\1", plain)


def shorten(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text):,} characters)"


def visible(text: str) -> str:
    """Line breaks as ⏎; control characters, direction marks and other invisible ones by code."""
    return "".join(map(_visible, text))


def markdown_safe(markdown: str) -> str:
    """Markdown of a user without HTML, pictures and links to anything but the web.

    Code blocks stay unchanged, except after a sign that may begin mathematics. A block ends at the
    first line that any Markdown parser accepts as its end.
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
            # An empty line ends inline mathematics.
            lines += ["", line] if lines and lines[-1].strip() else [line]
    # An open block would contain all that follows.
    return "\n".join([*lines, fence] if fence else lines).strip("\n")


def _line_safe(line: str) -> str:
    text = line.replace("<", "&lt;").replace("![", "!\\[").replace("]:", "]\\:")
    return LINK_START.sub(r"]\\(", text)


def _visible(sign: str) -> str:
    if sign == "\n":
        return "⏎"
    hidden = unicodedata.category(sign) in HIDDEN
    return f"‹U+{ord(sign):04X}›" if hidden else sign
