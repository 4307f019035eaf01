"""How the API reference shows dataclasses: their fields as one table, and an option by its help.

griffe, which reads the code for mkdocstrings, calls it; see mkdocs.yml.
"""

from __future__ import annotations

import ast
import textwrap
from typing import Any

from griffe import Attribute, Class, Docstring, ExprSubscript, Extension


class Fields(Extension):
    """Moves what is written below the fields of a dataclass into a table of its docstring."""

    def on_attribute_instance(self, *, attr: Attribute, **_: Any) -> None:
        """Take `Annotated[type, Option(help, ...)]` apart into a type and a docstring."""
        given = attr.annotation
        if isinstance(given, ExprSubscript) and given.canonical_name == "Annotated":
            attr.annotation, option = given.slice.elements
            attr.docstring = Docstring(ast.literal_eval(str(option.arguments[0])), parent=attr)

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """Write the table, and leave out variables of the class, which are no fields."""
        if not any(str(each.value).startswith("dataclass") for each in cls.decorators):
            return
        for name, attribute in [*cls.attributes.items()]:
            if str(attribute.annotation).startswith("ClassVar"):
                del cls.members[name]
        fields = [field for field in cls.attributes.values() if is_field(field)]
        if fields and cls.docstring:
            cls.docstring.value += "\n\nAttributes:\n" + "".join(map(row, fields))
        for field in fields:
            field.docstring = None  # it stands in the table


def is_field(attribute: Attribute) -> bool:
    """Whether an attribute is a public field, and no property."""
    return not ({"property", "cached"} & attribute.labels) and not attribute.name.startswith("_")


def row(field: Attribute) -> str:
    """A field as a line of a docstring in Google's style."""
    said = field.docstring.value if field.docstring else ""
    return f"    {field.name}: {textwrap.indent(said, 8 * ' ').strip()}\n"
