# SPDX-License-Identifier: LGPL-2.1-or-later
"""Properties: as attributes, lists of numbers as lists, and an exception for every value that does not fit.

GObject cuts numbers short or only warns, and its messages do not say what is wanted; so values are looked at here before it gets them, whichever way they are
set: by the constructor, as an attribute, by `props`, by set_property() or by the function of their name.
"""

import difflib
import enum
import operator

from gi.repository import Gio, GLib, GObject

from .arrays import DType, RangeError, Reformer, Tensor, as_elements, as_labels, make_tensor

# Lists of numbers, which C has as variants: their types.
_LISTS = {
    'Config': {'axial_pos_shape': 'ai', 'axial_pos_embds_dim': 'ai', 'num_buckets': 'ai', 'window_attn_dilation': 'ai', 'window_attn_global_tokens': 'ai', 'class_weights': 'ad'},
    'AxialPosition': {'shape': 'ai', 'dims': 'ai'},
    'LshAttention': {'num_buckets': 'ai'},
    'WindowAttention': {'dilation': 'ai'},
}

_INTEGERS = (GObject.TYPE_INT, GObject.TYPE_UINT, GObject.TYPE_INT64, GObject.TYPE_UINT64)
_LIMITS = {GObject.TYPE_INT: (-2**31, 2**31 - 1), GObject.TYPE_UINT: (0, 2**32 - 1), GObject.TYPE_INT64: (-2**63, 2**63 - 1),
           GObject.TYPE_UINT64: (0, 2**64 - 1)}


# PyGObject knows the class of a type once it has been asked for.
_FILE = Gio.File


# ---- Values that fit ----


def _to_item(what, type, item, i):
    if type == 'ad':
        if isinstance(item, (str, bytes)) or not hasattr(item, '__float__') and not hasattr(item, '__index__'):
            raise TypeError('%s: %r at index %d; wanted a number' % (what, item, i))
        return float(item)
    try:
        number = operator.index(item)
    except TypeError:
        raise TypeError('%s: %r at index %d; wanted an integer' % (what, item, i)) from None
    if not -2**31 <= number < 2**31:
        raise RangeError('%s: %d at index %d; wanted -2147483648 to 2147483647' % (what, number, i))
    return number


def _to_variant(what, type, value):
    wanted = 'a list of integers' if type == 'ai' else 'a list of numbers'
    if isinstance(value, GLib.Variant):
        if value.get_type_string() != type:
            raise TypeError('%s: %s; wanted %s' % (what, value.print_(True), wanted))
        return value
    if isinstance(value, (str, bytes)):
        raise TypeError('%s: %r; wanted %s' % (what, value, wanted))
    try:
        items = [] if value is None else list(value)
    except TypeError:
        raise TypeError('%s: %r; wanted %s' % (what, value, wanted)) from None
    return GLib.Variant(type, [_to_item(what, type, item, i) for i, item in enumerate(items)])


def _from_variant(value):
    return [] if value is None else value.unpack()


def _to_integer(what, pspec, value):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError('%s: %r; wanted an integer' % (what, value)) from None
    low, high = _LIMITS[pspec.value_type]
    low, high = getattr(pspec, 'minimum', low), getattr(pspec, 'maximum', high)
    if not low <= number <= high:
        raise RangeError('%s: %s; wanted %s to %s' % (what, number, low, high))
    return number


def _to_float(what, pspec, value):
    if isinstance(value, (str, bytes)) or not hasattr(value, '__float__') and not hasattr(value, '__index__'):
        raise TypeError('%s: %r; wanted a number' % (what, value))
    number = float(value)
    if not pspec.minimum <= number <= pspec.maximum:
        raise RangeError('%s: %s; wanted %s to %s' % (what, value, pspec.minimum, pspec.maximum))
    return number


def _to_boolean(what, value):
    if isinstance(value, (str, bytes)) or not hasattr(value, '__index__') and type(value).__name__ not in ('bool_', 'bool'):
        raise TypeError('%s: %r; wanted True or False' % (what, value))
    return bool(value)


def _to_strings(what, value):
    if value is None:
        return value
    if isinstance(value, (str, bytes)) or not hasattr(value, '__iter__'):
        raise TypeError('%s: %r; wanted a list of strings' % (what, value))
    strings = list(value)
    for i, item in enumerate(strings):
        if not isinstance(item, str):
            raise TypeError('%s: %r at index %d; wanted a string' % (what, item, i))
    return strings


def show_value(value):
    """A value as a program writes it."""
    if isinstance(value, GObject.GEnum):
        return '%s.%s.%s' % (type(value).__module__.rpartition('.')[2], type(value).__name__, value.value_nick.upper().replace('-', '_'))
    return repr(value)


def _is_number_of(kind, value):
    """Whether a value is a member of an enumeration or a plain integer, not a member of another one."""
    return isinstance(value, kind) or not isinstance(value, (bool, GObject.GEnum, GObject.GFlags, enum.Enum)) and hasattr(value, '__index__')


def _to_enum(what, kind, value):
    members = kind.__enum_values__
    if isinstance(value, str):
        for member in members.values():
            if value == member.value_nick:
                return member
    elif _is_number_of(kind, value) and operator.index(value) in members:
        return members[operator.index(value)]
    other = isinstance(value, GObject.GEnum) and not isinstance(value, kind)
    raise (ValueError if isinstance(value, (str, int)) and not other else TypeError)(
        '%s: %s; wanted %s' % (what, int(value) if isinstance(value, kind) else show_value(value), ' or '.join(show_value(member) for member in members.values())))


def _to_object(what, kind, value):
    if value is None or isinstance(value, kind):
        return value
    wanted = '%s.%s' % (kind.__module__.rpartition('.')[2], kind.__name__)
    if kind is _FILE and isinstance(value, str):
        wanted += ', such as Gio.File.new_for_path(%r)' % value
    raise TypeError('%s: %r; wanted a %s' % (what, value, wanted))


def _device_of(object):
    try:
        return object.get_device()
    except RuntimeError:  # it is being made
        return None


def _convert(object, pspec, value, device=None):
    """The value as GObject wants it, or an exception."""
    name, kind = pspec.name.replace('-', '_'), pspec.value_type
    what = '%s of %s' % (name, type(object).__name__)
    if not pspec.owner_type.name.startswith('Reformer'):
        return value  # a property that a program made
    if pspec.owner_type.name == 'ReformerSample':
        if name == 'features':
            return _to_integer(what, pspec, value)
        if name == 'labels':
            return as_labels(value, what)
        return as_elements(value, what, {'mask': DType.UINT8, 'values': DType.FLOAT32}.get(name, DType.INT32))
    if name in _LISTS.get(pspec.owner_type.name[8:], ()):
        return _to_variant(what, _LISTS[pspec.owner_type.name[8:]][name], value)
    if kind in _INTEGERS:
        return _to_integer(what, pspec, value)
    if kind == GObject.TYPE_DOUBLE:
        return _to_float(what, pspec, value)
    if kind == GObject.TYPE_BOOLEAN:
        return _to_boolean(what, value)
    if kind == GObject.TYPE_STRING and not isinstance(value, (str, type(None))):
        raise TypeError('%s: %r; wanted a string' % (what, value))
    if kind == GObject.TYPE_STRV:
        return _to_strings(what, value)
    if kind.is_a(GObject.TYPE_ENUM):
        return _to_enum(what, kind.pytype, value)
    if kind == Tensor.__gtype__ and value is not None and not isinstance(value, Tensor):
        device = device or _device_of(object)
        if device is None:
            raise TypeError('%s: %r, without a device; wanted a device as well, or a Reformer.Tensor' % (what, value))
        return make_tensor(value, device, what)
    if (kind.is_a(GObject.TYPE_OBJECT) or kind.is_a(GObject.TYPE_INTERFACE)) and kind.pytype is not None:
        return _to_object(what, kind.pytype, value)
    return value


def _find(object, name):
    return object.find_property(name.replace('_', '-'))


def _is_held(object, pspec, name, value):
    """Whether the property has this value, in whatever form it is given."""
    converted = _convert(object, pspec, value)
    held = getattr(object.props, name)
    if isinstance(converted, GLib.Bytes):
        return held is not None and held.equal(converted)
    return held == (_from_variant(converted) if _is_list(object, name) else converted)


def _check_set(object, pspec, value):
    """What is too late to be set: by GObject a warning, or an error of the next use."""
    name = pspec.name.replace('-', '_')
    flags = pspec.flags
    if not flags & GObject.ParamFlags.WRITABLE:
        raise AttributeError('%s of %s cannot be set' % (name, type(object).__name__))
    late = None
    if flags & GObject.ParamFlags.CONSTRUCT_ONLY:
        late = '%s of %s can be set by its constructor only'
    elif flags & GObject.ParamFlags.CONSTRUCT and isinstance(object, Reformer.Layer) and object.get_fixed():
        late = '%s of %s can be set before the layer is first used, or put into another, only'
    if late is not None and not _is_held(object, pspec, name, value):
        raise AttributeError(late % (name, type(object).__name__))
    return late is None


# ---- The constructor, props and set_property() ----


class _Props:
    """The properties of an object: lists of numbers as lists, and values looked at before they are set."""

    def __init__(self, object, props):
        self.__dict__.update(_object=object, _props=props)

    def __getattr__(self, name):
        value = getattr(self._props, name)
        return _from_variant(value) if _is_list(self._object, name) else value

    def __setattr__(self, name, value):
        pspec = _find(self._object, name)
        if pspec is None:
            raise AttributeError(_unknown(self._object, name))
        if _check_set(self._object, pspec, value):
            # PyGObject warns where nothing but the call holds the value; the variable does
            value = _convert(self._object, pspec, value)
            setattr(self._props, name, value)

    def __dir__(self):
        return dir(self._props)

    def __iter__(self):
        return iter(self._props)

    def __len__(self):
        return len(self._props)


class _PropsOf:
    def __init__(self, props):
        self._props = props

    def __get__(self, object, cls=None):
        props = self._props.__get__(object, cls)
        return props if object is None else _Props(object, props)


def _is_list(object, name):
    return any(name.replace('-', '_') in _LISTS.get(cls.__name__, ()) for cls in type(object).__mro__)


def _unknown(object, name):
    names = [pspec.name.replace('-', '_') for pspec in GObject.list_properties(type(object)) if pspec.flags & GObject.ParamFlags.WRITABLE]
    if not names:
        return '%s has no property %s, and none that can be set' % (type(object).__name__, name)
    near = difflib.get_close_matches(name, names, 3, 0.4)
    return '%s has no property %s; wanted %s' % (type(object).__name__, name, ' or '.join(near) if near else 'one of ' + ', '.join(sorted(names)))


def _take_values(cls):
    init, get_property, set_property = cls.__init__, cls.get_property, cls.set_property

    def __init__(self, *args, **kwargs):
        device = kwargs.get('device')
        for name, value in kwargs.items():
            pspec = _find(self, name)
            if pspec is None:
                raise TypeError(_unknown(self, name))
            kwargs[name] = _convert(self, pspec, value, device)
        init(self, *args, **kwargs)

    def get(self, name):
        value = get_property(self, name)
        return _from_variant(value) if _is_list(self, name) else value

    def set(self, name, value):
        pspec = _find(self, name)
        if pspec is None:
            raise TypeError(_unknown(self, name))
        if _check_set(self, pspec, value):
            value = _convert(self, pspec, value)
            set_property(self, name, value)

    cls.__init__ = __init__
    cls.get_property = get
    cls.set_property = set
    cls.props = _PropsOf(next(parent.__dict__['props'] for parent in cls.__mro__ if 'props' in parent.__dict__))


# ---- Attributes, and the functions set_x() ----


def _attribute(name):
    def get(self):
        return getattr(self.props, name)

    def set(self, value):
        setattr(self.props, name, value)

    return property(get, set)


def _setter(name, function):
    def set(self, value):
        pspec = _find(self, name)
        value = _from_variant(_convert(self, pspec, value)) if _is_list(self, name) else _convert(self, pspec, value)
        function(self, value)

    set.__name__ = set.__qualname__ = 'set_' + name
    set.__doc__ = function.__doc__
    return set


_OWN = set()  # the library's classes


def _refuse_unknown(cls):
    """A name that is written wrong would be an attribute that nobody reads; classes of programs may have what they like."""
    assign = cls.__setattr__

    def __setattr__(self, name, value):
        if type(self) in _OWN and not name.startswith('_') and not hasattr(type(self), name):
            raise AttributeError(_unknown(self, name))
        assign(self, name, value)

    cls.__setattr__ = __setattr__


def _add_attributes(cls):
    for pspec in GObject.list_properties(cls):
        name = pspec.name.replace('-', '_')
        if pspec.owner_type == cls.__gtype__:
            if not hasattr(cls, name):
                setattr(cls, name, _attribute(name))
            if hasattr(cls, 'set_' + name):
                setattr(cls, 'set_' + name, _setter(name, getattr(cls, 'set_' + name)))


for _name in dir(Reformer):
    _class = None if _name.startswith('_') else getattr(Reformer, _name)
    if isinstance(_class, type) and issubclass(_class, GObject.Object):
        if _class.__mro__[1].__module__ != _class.__module__:  # its own classes inherit it
            _take_values(_class)
            _refuse_unknown(_class)
        _OWN.add(_class)
        _add_attributes(_class)
