# SPDX-License-Identifier: LGPL-2.1-or-later
"""What introspection cannot say about Reformer in Python: NumPy arrays, lists, attributes, exceptions in functions that C calls.

NumPy is imported when it is first needed.
"""

# In this order: each builds upon what the ones before it put into the classes.
from . import calls, arrays, properties, arguments, functions, texts, printing  # noqa: F401

__all__ = []
