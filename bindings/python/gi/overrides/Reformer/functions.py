# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that are written in Python and called by C: what they return, and what they raise."""

import functools
import operator
import os

from gi.repository import Gio, GLib, GObject

from .arguments import for_tape
from .arrays import Reformer, as_bytes, as_elements

Sample = Reformer.Sample


_HERE = os.path.dirname(__file__)


def _describe(exception, function):
    """The exception in one line, with the last place outside of this override."""
    code = getattr(function, '__code__', None)
    name, line = (code.co_filename, code.co_firstlineno) if code is not None else ('', 0)
    place = exception.__traceback__
    while place is not None:
        if os.path.dirname(place.tb_frame.f_code.co_filename) != _HERE:
            name, line = place.tb_frame.f_code.co_filename, place.tb_lineno
        place = place.tb_next
    text = '%s: %s' % (type(exception).__name__, ' '.join(str(exception).split()))
    return '%s (%s, line %d)' % (text, os.path.basename(name), line) if name else text


def _wrap(cls, name, function, finish, error):
    """C cannot see an exception that is no GLib.Error; this makes one of it, with its text. `finish` makes what C wants of the result."""

    @functools.wraps(function)
    def wrapped(self, *arguments):
        what = '%s of %s' % (name[3:], type(self).__name__)
        try:
            return finish(function(self, *arguments), arguments)
        except GLib.Error:
            raise
        except KeyboardInterrupt:
            raise GLib.Error.new_literal(Gio.io_error_quark(), '%s was interrupted' % what, Gio.IOErrorEnum.CANCELLED)
        except BaseException as e:
            raise GLib.Error.new_literal(error[0](), '%s: %s' % (what, _describe(e, function)), error[1])

    return wrapped


class _Inherited:
    """What the base class itself does, also by super(), for which PyGObject forgets the object."""

    def __init__(self, base, function):
        self._base, self._function = base, function

    def __get__(self, object, cls=None):
        function = self._function.__get__(None, self._base)
        return function if object is None else functools.partial(function, object)


def _wrap_subclasses(base, error, functions):
    """Wraps these functions (name: finish) of every class that is derived from `base` in Python."""
    inherited = base.__init_subclass__
    for name in functions:
        setattr(base, name, _Inherited(base, base.__dict__[name]))

    def init_subclass(cls, **kwargs):
        inherited(**kwargs)
        for name, finish in functions.items():
            function = cls.__dict__.get(name)
            if callable(function):
                setattr(cls, name, _wrap(cls, name, function, finish, error))

    base.__init_subclass__ = classmethod(init_subclass)


# ---- What they return ----


def _refuse(result, wanted):
    raise TypeError('it returned %s; wanted %s' % (' '.join(repr(result).split()), wanted))


def _finish_tensor(result, arguments):
    if result is None or isinstance(result, (str, bytes, dict, set)):
        _refuse(result, 'a tensor')
    return for_tape(arguments[1], result, 'its result')


def _finish_update(result, arguments):
    return True if result is None else bool(result)


def _finish_factor(result, arguments):
    if result is None or isinstance(result, (str, bytes)) or not hasattr(result, '__float__') and not hasattr(result, '__index__'):
        _refuse(result, 'a number')
    return float(result)


def _finish_count(low, high):
    def finish(result, arguments):
        try:
            number = operator.index(result)
        except TypeError:
            _refuse(result, 'a number')
        if not low <= number <= high:
            _refuse(result, '%d to %d' % (low, high))
        return number

    return finish


def _finish_ids(result, arguments):
    if result is None:
        _refuse(result, 'ids')
    return as_elements(result, 'its result')


def _finish_bytes(result, arguments):
    result = as_bytes(result.encode() if isinstance(result, str) else result)
    if not isinstance(result, GLib.Bytes):
        _refuse(result, 'bytes or a string')
    return result


def _finish_name(result, arguments):
    if result is not None and not isinstance(result, str):
        _refuse(result, 'a string or None')
    return result


def _finish_sample(result, arguments):
    if result is None:
        _refuse(result, 'a sample')
    return result if isinstance(result, Sample) else Sample.new(as_elements(result, 'its result'), None, None)


def _finish_dataset(result, arguments):
    if result is not None and not isinstance(result, Reformer.Dataset):
        _refuse(result, 'a Reformer.Dataset or None')
    return result


_of_models = (Reformer.model_error_quark, Reformer.ModelError.FAILED)
_of_files = (Reformer.file_error_quark, Reformer.FileError.FAILED)
_of_trainers = (Reformer.trainer_error_quark, Reformer.TrainerError.INVALID)

_wrap_subclasses(Reformer.Layer, _of_models, {'do_forward': _finish_tensor, 'do_backward': _finish_tensor})
_wrap_subclasses(Reformer.Tokenizer, _of_files, {
    'do_encode': _finish_ids,
    'do_decode': _finish_bytes,
    'do_count_ids': _finish_count(-2**31, 2**31 - 1),
    'do_identify': _finish_name,
})
_wrap_subclasses(Reformer.Dataset, _of_files, {
    'do_count_samples': _finish_count(-2**63, 2**63 - 1),
    'do_read_sample': _finish_sample,
    'do_read_sample_of_epoch': _finish_sample,
    'do_get_held_out': _finish_dataset,
    'do_identify': _finish_name,
})
_wrap_subclasses(Reformer.Optimizer, _of_trainers, {'do_update': _finish_update})
_wrap_subclasses(Reformer.Schedule, _of_trainers, {'do_compute_factor': _finish_factor})


# ---- Classes that cannot be derived ----


_DERIVABLE = (Reformer.Layer, Reformer.Dataset, Reformer.Tokenizer, Reformer.Optimizer, Reformer.Schedule)


def _refuse_subclasses(base):
    """PyGObject would warn, and not say what is wanted."""
    names = ['Reformer.%s' % cls.__name__ for cls in _DERIVABLE]

    def init_subclass(cls, **kwargs):
        raise TypeError('%s is derived from Reformer.%s, which is final; wanted %s or %s' % (cls.__name__, base.__name__, ', '.join(names[:-1]), names[-1]))

    base.__init_subclass__ = classmethod(init_subclass)


for _name in dir(Reformer):
    _class = None if _name.startswith('_') else getattr(Reformer, _name)
    if isinstance(_class, type) and issubclass(_class, GObject.Object) and _class not in (*_DERIVABLE, Reformer.Attention):
        _refuse_subclasses(_class)
