# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors of arguments that name the function, what it was given and what it takes. PyGObject's own name the type alone."""

import re
import reprlib

from gi._gi import FunctionInfo
from gi.module import get_introspection_module
from gi.repository import GObject

Reformer = get_introspection_module('Reformer')

# From where on C takes an integer; less would be a critical message.
_LEAST = {
    'Config.count_operations': {'length': 0},
    'Sample.new_from_values': {'features': 1},
}

# What an override of the function takes as well.
_ALSO = {'Reformer.Tensor': 'Reformer.Tensor or array', 'GLib.Bytes': 'GLib.Bytes or bytes'}


class RangeError(ValueError, OverflowError):
    """A number does not fit what it is to be."""


def _limits_of(cls, info):
    """What a constructor takes is put into properties, whose limits GObject only warns of."""
    pspecs = GObject.list_properties(cls) if info.__name__ == 'new' else []
    return {pspec.name.replace('-', '_'): (pspec.minimum, pspec.maximum) for pspec in pspecs if hasattr(pspec, 'minimum')}


class _Signature:
    """What PyGObject says that a function takes: where integers and lists of them are, what may be None, what may be left out."""

    def __init__(self, cls, info):
        name, _, rest = info.__doc__.partition('(')
        inside, _, result = rest.partition(')')
        parameters = [re.match(r'([*\w]+):?([\w.]*)(=None)?', part.strip()).groups() for part in inside.split(',') if part.strip()]
        self.own = 1 if info.is_method() else 0
        self.name = '%s.%s' % (cls.__name__, info.__name__)
        self.names = [parameter[0].strip('*') for parameter in parameters]
        self.whole = [(place, each[0]) for place, each in enumerate(parameters) if each[1] == 'int']
        self.lists = [(place, each[0]) for place, each in enumerate(parameters) if each[1] == 'list']
        self.limits = {name: (least, None) for name, least in _LEAST.get(self.name, {}).items()} or (_limits_of(cls, info) if self.whole else {})
        self.nullable = {each[0] for each in parameters if each[2]}
        self.needed = max([place + 1 for place, each in enumerate(parameters) if not each[2]], default=0)

        def show(place, name, kind, null):
            null = '' if null is None else null if place >= self.needed else ' or None'
            return name + (':' + _ALSO.get(kind, kind) if kind else '') + null

        self.text = '%s(%s)%s' % (name, ', '.join(show(place, *each) for place, each in enumerate(parameters) if place >= self.own), result)

    def find_mistake(self, args, kwargs):
        """What is wrong of what PyGObject only counts."""
        given = dict(zip(self.names, args), **kwargs)
        unknown = [name for name in kwargs if name not in self.names]
        if unknown:
            return 'no parameter is called %s' % ' or '.join(unknown)
        missing = [name for name in self.names[self.own:self.needed] if name not in given]
        if missing:
            return '%s %s missing' % (' and '.join(missing), 'is' if len(missing) == 1 else 'are')
        if len(args) > len(self.names) and 'user_data' not in self.names:
            return '%d arguments' % (len(args) - self.own)
        none = [name for name in self.names if given.get(name, self) is None and name not in self.nullable]
        return '%s is None' % none[0] if none else None


def _show(args, kwargs):
    return ', '.join([reprlib.repr(value) for value in args] + ['%s=%s' % (name, reprlib.repr(value)) for name, value in kwargs.items()])


def _is_fraction(value):
    return hasattr(value, '__float__') and not hasattr(value, '__index__')


def _check_integers(signature, args, kwargs):
    """PyGObject cuts fractions off."""
    for place, name in signature.whole:
        value = args[place] if place < len(args) else kwargs.get(name)
        if _is_fraction(value):
            raise TypeError('%s is %r, not an integer' % (name, value))
        low, high = signature.limits.get(name, (None, None))
        if hasattr(value, '__index__') and (low is not None and value < low or high is not None and value > high):
            raise RangeError('%s is %d, %s' % (name, value, 'not at least %d' % low if value < low else 'not at most %d' % high))
    for place, name in signature.lists:
        value = args[place] if place < len(args) else kwargs.get(name)
        if hasattr(value, '__len__'):
            for i, item in enumerate(value):
                if _is_fraction(item):
                    raise TypeError('%s has %r at index %d, not an integer' % (name, item, i))


def _call(function, signature, args, kwargs):
    try:
        _check_integers(signature, args, kwargs)
        return function(*args, **kwargs)
    except (TypeError, OverflowError, UnicodeError) as e:
        if getattr(e, 'explained', False):
            raise
        mistake = signature.find_mistake(args, kwargs) or e
        error = (RangeError if isinstance(e, OverflowError) else TypeError)(
            ' '.join(('%s(%s): %s; wanted %s' % (signature.name, _show(args[signature.own:], kwargs), mistake, signature.text)).split()))
        error.explained = True
        raise error from None


def _explain(cls, name, info):
    signature = _Signature(cls, info)
    if info.is_method():
        def call(self, *args, **kwargs):
            return _call(info, signature, (self, *args), kwargs)

        wrapped = call
    else:
        function = getattr(cls, name)

        def call(*args, **kwargs):
            return _call(function, signature, args, kwargs)

        wrapped = staticmethod(call)
    call.__name__, call.__qualname__, call.__doc__ = name, '%s.%s' % (cls.__name__, name), signature.text
    setattr(cls, name, wrapped)


for _name in dir(Reformer):
    _class = None if _name.startswith('_') else getattr(Reformer, _name)
    if isinstance(_class, type) and issubclass(_class, GObject.Object):
        for _method, _info in list(_class.__dict__.items()):
            if isinstance(_info, FunctionInfo):
                _explain(_class, _method, _info)
