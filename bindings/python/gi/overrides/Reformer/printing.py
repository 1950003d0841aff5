# SPDX-License-Identifier: LGPL-2.1-or-later
"""How objects print."""

from gi.repository import Gio, GLib, GObject

from .arrays import Reformer
from .properties import show_value


def _settings(object):
    """What differs from the defaults, as a constructor takes it."""
    standard = type(object)()
    settings = []
    for pspec in GObject.list_properties(type(object)):
        name = pspec.name.replace('-', '_')
        if pspec.flags & GObject.ParamFlags.WRITABLE and getattr(object.props, name) != getattr(standard.props, name):
            settings.append('%s=%s' % (name, show_value(getattr(object.props, name))))
    return ', '.join(settings)


def _changed(self):
    """The numbers, texts, lists and files that are not as they are by default; those of programs' own classes are their own."""
    settings = []
    for pspec in GObject.list_properties(type(self)):
        name, kind = pspec.name.replace('-', '_'), pspec.value_type
        if not pspec.owner_type.name.startswith('Reformer') or not pspec.flags & GObject.ParamFlags.WRITABLE or name == 'target':
            continue
        value = getattr(self.props, name)
        if isinstance(value, Gio.File):
            settings.append('%s=%r' % (name, value.get_parse_name()))
        elif not kind.is_a(GObject.TYPE_OBJECT) and value != getattr(pspec, 'default_value', None) and value not in ([], ''):
            settings.append('%s=%s' % (name, show_value(value)))
    return settings


def _name(self):
    return 'Reformer.%s' % type(self).__name__ if type(self).__gtype__.name.startswith('Reformer') else type(self).__name__


def _tensor(self):
    return '<Reformer.%s on %s>' % (self.to_string(), self.get_device().get_name())


def _device(self):
    return '<Reformer.Device %s: %s>' % (self.get_kind().value_nick.upper(), self.get_name())


def _config(self):
    return 'Reformer.Config(%s)' % _settings(self)


def _parameter(self):
    return '<Reformer.Parameter %s %s%s>' % (self.get_name(), self.get_shape(), '' if self.get_trainable() else ', frozen')


def _model(self):
    config = self.get_config()
    device = self.get_device()
    return '<Reformer.Model %s: %d layers, hidden size %d, on %s>' % (
        self.get_head().value_nick, config.get_n_layers(), config.get_hidden_size(), device.get_name() if device is not None else 'the default device')


def _plain(self):
    """The class, the sizes and whatever else is not as it is by default."""
    return '<%s>' % ' '.join([_name(self), ', '.join(_changed(self))]).rstrip()


def _stack(self):
    return '<Reformer.Stack of %d branches, %d streams: %s>' % (len(self), self.get_streams(), ', '.join(self.get_name(i) for i in range(len(self))))


def _tape(self):
    return '<Reformer.Tape %s>' % ', '.join(['on %s' % self.get_device().get_name(), '%d tensors' % self.get_depth(), *_changed(self)])


def _inspection(self):
    return '<Reformer.Inspection %s>' % ('of %d layers' % self.get_n_layers() if self.get_n_layers() > 0 else 'that has not run')


def _devices(self):
    return '<Reformer.DeviceList of %d: %s>' % (len(self), ', '.join(device.get_name() for device in self))


def _record(self):
    return '<Reformer.TrainingRecord step %d: loss %.4g, learning rate %.3g, %d tokens%s>' % (
        self.get_step(), self.get_loss(), self.get_learning_rate(), self.get_tokens(), ', skipped' if self.get_skipped() else '')


def _evaluation(self):
    # NaN: does not fit the model's head
    metrics = [(self.get_bits(), '%.4g bits'), (self.get_accuracy(), 'accuracy %.4g'), (self.get_macro_f1(), 'macro F1 %.4g'), (self.get_exact_match(), 'exact match %.4g'),
               (self.get_mean_absolute_error(), 'mean absolute error %.4g')]
    words = ['loss %.4g' % self.get_loss()] + [text % value for value, text in metrics if value == value] + ['%d targets' % self.get_targets()]
    return '<Reformer.Evaluation at step %d: %s>' % (self.get_step(), ', '.join(words))


def _piece(self):
    return '<Reformer.Piece %d: %r>' % (self.get_id(), self.get_text())


def _plan(self):
    return '<Reformer.MemoryPlan %d bytes, keep %s, %s>' % (self.get_total(), self.get_keep().value_nick, 'fits' if self.get_fits() else 'does not fit')


def _sample(self):
    kind = 'vectors of %d' % self.get_features() if self.get_values() is not None else 'ids'
    more = [name for name, value in [('mask', self.get_mask()), ('labels', self.get_labels())] if value is not None]
    return '<Reformer.Sample of %d %s%s>' % (self.get_length(), kind, ', with ' + ' and '.join(more) if more else '')


def _trainer(self):
    done = 'step %d%s' % (self.get_n_steps(), ', loss %.4g' % self.get_loss() if self.get_n_steps() > 0 else '')
    return '<Reformer.Trainer %s>' % ', '.join([done, *_changed(self)])


def _generator(self):
    return '<Reformer.Generator %s>' % ', '.join(['%d tokens' % self.get_n_tokens(), *_changed(self)])


def _session(self):
    return '<Reformer.Session %d tokens>' % self.get_length()


def _bytes_tokenizer(self):
    return '<Reformer.ByteTokenizer %d ids>' % self.count_ids()


def _pieces_tokenizer(self):
    try:
        return '<Reformer.SentencePieceTokenizer %d ids>' % self.count_ids()
    except GLib.Error:
        return '<Reformer.SentencePieceTokenizer without a model>'


Reformer.Tensor.__repr__ = _tensor
Reformer.Device.__repr__ = _device
Reformer.Config.__repr__ = _config
Reformer.Parameter.__repr__ = _parameter
Reformer.Model.__repr__ = _model
Reformer.Layer.__repr__ = _plain
Reformer.Stack.__repr__ = _stack
Reformer.Tape.__repr__ = _tape
Reformer.Inspection.__repr__ = _inspection
Reformer.DeviceList.__repr__ = _devices
Reformer.TrainingRecord.__repr__ = _record
Reformer.Evaluation.__repr__ = _evaluation
Reformer.Piece.__repr__ = _piece
Reformer.MemoryPlan.__repr__ = _plan
Reformer.Sample.__repr__ = _sample
Reformer.Trainer.__repr__ = _trainer
Reformer.Generator.__repr__ = _generator
Reformer.Session.__repr__ = _session
Reformer.Optimizer.__repr__ = _plain
Reformer.Schedule.__repr__ = _plain
Reformer.Tokenizer.__repr__ = _plain
Reformer.ByteTokenizer.__repr__ = _bytes_tokenizer
Reformer.AlphabetTokenizer.__repr__ = _plain
Reformer.SentencePieceTokenizer.__repr__ = _pieces_tokenizer
Reformer.TextDataset.__repr__ = _plain
Reformer.LabelledDataset.__repr__ = _plain
Reformer.MaskedDataset.__repr__ = _plain
