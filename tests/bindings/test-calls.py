# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method of every class, called on objects made without any argument, and with arguments that do not fit: exceptions, never the end of the process.

Python and JavaScript make objects by g_object_new(), without what the C constructors insist on.
"""

import os
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, GObject, Reformer  # noqa: E402

import tap  # noqa: E402

CORE = '{http://www.gtk.org/introspection/core/1.0}'
namespace = ElementTree.parse(os.environ['REFORMER_GIR']).getroot().find(CORE + 'namespace')
classes = {each.get('name'): each for each in namespace.findall(CORE + 'class')}
warnings.simplefilter('ignore')  # numbers beyond a property's limits


def device():
    return Reformer.Device.get_default()


def tensor(values):
    return Reformer.Tensor.from_array(values, device())


VALUES = {
    'utf8': ['', 'x', '*', 'float'],
    'gint': [0, -1, 2**31 - 1, 3],
    'gint64': [0, -1, 2**62, 3],
    'guint': [0, 2**32 - 1, 7, 1],
    'guint64': [0, 2**64 - 1, 7, 1],
    'gsize': [0, 2**64 - 1, 7, 1],
    'gdouble': [0.0, float('nan'), -1e308, 1.0],
    'gboolean': [True, False],
    'gpointer': [0],
    'Gio.AsyncReadyCallback': [None],
    'Gio.Cancellable': [None],
    'Gio.File': [Gio.File.new_for_path('/nowhere/at/all')],
    'GLib.Bytes': [b'', b'abc', b'abcd'],
    'Tensor': [lambda: tensor([[[0.0] * 8] * 4]), lambda: tensor([[1, 2, 3]]), Reformer.Tensor],
    'Tape': [lambda: Reformer.Tape(device=device()), Reformer.Tape],
    'Device': [device, Reformer.Device],
    'Config': [Reformer.Config],
    'Layer': [lambda: Reformer.Linear(device=device(), in_features=8, out_features=8), Reformer.Linear, Reformer.Stack, Reformer.LayerNorm],
    'Dataset': [Reformer.TextDataset, lambda: Reformer.TextDataset(file=Gio.File.new_for_path('/nowhere/at/all'))],
    'Tokenizer': [Reformer.ByteTokenizer, None],
    'Parameter': [Reformer.Parameter, lambda: Reformer.Parameter.new(device(), 'a', [2])],
}
ARRAYS = [[], [1, 2], [-1] * 9, [2, 2, 2]]


def value(parameter, variant):
    kind = parameter.find(CORE + 'type')
    values = ARRAYS if kind is None else VALUES.get(kind.get('name'))
    if values is None:
        values = [getattr(Reformer, kind.get('name'))(0)]  # an enumeration
    chosen = values[variant % len(values)]
    return chosen() if callable(chosen) else chosen


def arguments(method):
    """The parameters that Python sees."""
    parameters = [each for each in method.find(CORE + 'parameters').findall(CORE + 'parameter')]
    lengths = {int(array.get('length')) for each in [method, *parameters] for array in each.iter(CORE + 'array') if array.get('length')}
    return [each for i, each in enumerate(parameters) if i not in lengths and each.get('direction') != 'out']


def methods(name):
    while name in classes:
        yield from classes[name].findall(CORE + 'method')
        name = classes[name].get('parent')


def call_all(name, make):
    for method in methods(name):
        parameters = arguments(method)
        if any(kind.get('name') == 'Gio.AsyncResult' for each in parameters for kind in each.iter(CORE + 'type')):
            continue  # only what an asynchronous call gave can be finished
        for variant in range(4 if parameters else 1):
            print('# %s.%s %d' % (name, method.get('name'), variant))
            sys.stdout.flush()
            try:
                getattr(make(), method.get('name'))(*[value(each, variant) for each in parameters])
            except (GLib.Error, TypeError, ValueError):
                pass
    thing = make()
    repr(thing)
    for pspec in GObject.list_properties(type(thing)):
        if pspec.flags & GObject.ParamFlags.READABLE:
            thing.get_property(pspec.name)


def tests():
    for name in classes:
        kind = getattr(Reformer, name)
        if not kind.__gtype__.is_abstract():
            yield name.lower(), lambda name=name, kind=kind: call_all(name, kind)
            if issubclass(kind, Reformer.Layer):
                yield name.lower() + '-with-device', lambda name=name, kind=kind: call_all(name, lambda: kind(device=device()))


tap.run('python/calls', list(tests()))
