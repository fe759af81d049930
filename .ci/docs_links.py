"""Links of pages to files beside docs/, which the built pages do not have, become the names of these files."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **unused: Any) -> str:
    """Changes the text of a page before it is built."""
    return _OUTSIDE.sub(r"\1 (`\2`)", markdown)
