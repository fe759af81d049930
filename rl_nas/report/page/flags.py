"""Names of flags in the texts of the page: no line ends within one, such as after its dashes."""

import re

from markupsafe import Markup, escape

_FLAG = re.compile(r"--[a-z][a-z0-9_]*")


def flags_whole(text: object) -> Markup:
    """A text as HTML, escaped, with the names of its flags as elements that are not broken."""
    # Escaping neither makes nor hides a flag: its entities have no dashes.
    return Markup(_FLAG.sub(r'<span class="flag">\g<0></span>', str(escape(text))))
