"""Docstrings for MkDocs: roles of Sphinx become code, and fields of settings classes have their help."""

import ast
import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:\w+:)?\w+:`~?(?:[\w.]+\.)?([^`.]+)`")


class Docstrings(griffe.Extension):
    """Change what has been read of the package."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Replace ``:func:`~landcover_bdgf.scene.align``` by its last name."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)

    def on_attribute(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        """``Annotated[float, Setting("largest shift")]`` is a float, and "largest shift" describes it."""
        annotation = ast.parse(str(attr.annotation), mode="eval").body if attr.annotation else None
        if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.slice, ast.Tuple):
            return
        hint, *others = annotation.slice.elts
        for call in others:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Setting":
                attr.annotation = ast.unparse(hint)
                text = call.args[0].value if isinstance(call.args[0], ast.Constant) else ""
                attr.docstring = griffe.Docstring(f"{text[:1].upper()}{text[1:]}.", parent=attr) if text else None
