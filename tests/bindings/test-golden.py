# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden models through PyGObject and numpy.asarray()."""

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, Reformer  # noqa: E402

import golden  # noqa: E402
import tap  # noqa: E402

OUTPUT, GRADIENT, LOSS = 2e-4, 1e-3, 1e-5


def check_output(what, seen, wanted, kept):
    difference = numpy.abs(numpy.asarray(seen).astype('f8') - wanted)[kept].max() / numpy.abs(wanted[kept]).max()
    print('# %s: %.1e' % (what, difference))
    assert difference < OUTPUT, '%s: %g of the largest value; at most %g is allowed' % (what, difference, OUTPUT)


def check_gradients(what, model, answers):
    stored = {name[5:]: value for name, value in answers.items() if name.startswith('grad.')}
    gradients = {p.name: p.gradient for p in model.get_parameters()}
    largest = max([numpy.abs(value).max() for value in stored.values()], default=0)
    worst = 0, 'none'
    for name, wanted in stored.items():
        seen = numpy.asarray(gradients[name])
        assert seen.shape == wanted.shape, '%s: %s: %s' % (name, seen.shape, wanted.shape)
        worst = max(worst, (numpy.abs(seen - wanted).max() / max(numpy.abs(wanted).max(), largest / 1000), name))
    print('# %s: %d gradients: %.1e, %s' % (what, len(stored), *worst))
    assert worst[0] < GRADIENT, '%s: %g of the largest, %s; at most %g is allowed' % (what, worst[0], worst[1], GRADIENT)


def check(name):
    answers = golden.read(name)
    model = Reformer.Model.load(Reformer.Device.get_default(), Gio.File.new_for_path(golden.folder(name)), None)
    ids, mask, labels = answers['ids'], answers.get('mask'), answers['labels']
    kept = mask.astype(bool) if mask is not None else numpy.ones(ids.shape, bool)
    wanted = float(answers['loss'][0])

    check_output('last hidden state', model.encode(ids, mask), answers['last_hidden_state'], kept)
    check_output('logits', model.forward(ids, mask), answers['logits'], kept)
    loss = model.compute_loss(ids, mask, labels)
    assert abs(loss - wanted) < LOSS, 'loss: %.9g; wanted %.9g' % (loss, wanted)
    for keep in [Reformer.Keep.EVERYTHING, Reformer.Keep.INPUTS, Reformer.Keep.NOTHING]:
        model.stack.keep = keep
        loss = model.compute_gradients(ids, mask, labels)
        assert abs(loss - wanted) < LOSS, 'loss with %s: %.9g; wanted %.9g' % (keep.value_nick, loss, wanted)
        check_gradients(keep.value_nick, model, answers)


tap.run('python/golden', [(name, lambda name=name: check(name)) for name in golden.NAMES])
