# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors of arguments that name the function, what it was given and what it takes. PyGObject's own name the type alone."""

import re
import reprlib

from gi._gi import FunctionInfo
from gi.module import get_introspection_module
from gi.repository import GObject

Reformer = get_introspection_module('Reformer')

_WHOLE = re.compile(r'(\w+):int\b')


def _show(args, kwargs):
    return ', '.join([reprlib.repr(value) for value in args] + ['%s=%s' % (name, reprlib.repr(value)) for name, value in kwargs.items()])


def _call(function, cls, signature, whole, own, args, kwargs):
    """Calls a function of C; `own` of the arguments is the object."""
    try:
        for place, name in whole:
            value = args[place] if place < len(args) else kwargs.get(name)
            if isinstance(value, float):
                raise TypeError('%s is %r, not an integer' % (name, value))
        return function(*args, **kwargs)
    except (TypeError, OverflowError, UnicodeError) as e:
        if getattr(e, 'explained', False):
            raise
        error = (OverflowError if isinstance(e, OverflowError) else TypeError)(
            ' '.join(('%s.%s(%s): %s; wanted %s' % (cls.__name__, function.__name__, _show(args[own:], kwargs), e, signature)).split()))
        error.explained = True
        raise error from None


def _explain(cls, name, info):
    signature = info.__doc__
    parameters = [part.split(':')[0].strip('( ') for part in signature.partition('(')[2].partition(')')[0].split(',')]
    whole = [(parameters.index(match), match) for match in _WHOLE.findall(signature.partition(')')[0])]
    if info.is_method():
        def call(self, *args, **kwargs):
            return _call(info, cls, signature, whole, 1, (self, *args), kwargs)

        wrapped = call
    else:
        function = getattr(cls, name)

        def call(*args, **kwargs):
            return _call(function, cls, signature, whole, 0, args, kwargs)

        wrapped = staticmethod(call)
    call.__name__, call.__qualname__, call.__doc__ = name, '%s.%s' % (cls.__name__, name), signature
    setattr(cls, name, wrapped)


for _name in dir(Reformer):
    _class = None if _name.startswith('_') else getattr(Reformer, _name)
    if isinstance(_class, type) and issubclass(_class, GObject.Object):
        for _method, _info in list(_class.__dict__.items()):
            if isinstance(_info, FunctionInfo):
                _explain(_class, _method, _info)
