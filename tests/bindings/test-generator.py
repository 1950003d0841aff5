# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts and sessions in Python."""

import os
import threading

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer

import numpy

import tap
from tap import raises

FOLDER = os.path.join(os.environ['G_TEST_SRCDIR'], 'golden', 'local')
device = Reformer.Device.get_default()
model = Reformer.Model.load(device, Gio.File.new_for_path(FOLDER), None)  # 40 ids: bytes 0 to 37


def generator(**settings):
    return Reformer.Generator(model=model, **{'prompt': '\x01\x05', 'max_tokens': 12, **settings})


def test_iteration():
    one = generator(tokenizer=Reformer.ByteTokenizer(), seed=3)
    pieces = list(one)
    assert len(pieces) == 12 == one.get_n_tokens()
    assert one.get_end() == Reformer.GenerationEnd.TOKENS
    text = ''.join(str(piece) for piece in pieces)
    assert text == one.generate(None) == ''.join(map(str, one))
    assert b''.join(map(bytes, pieces)) == one.generate_bytes(None).get_data()
    assert all(piece.id == bytes(piece)[0] + 2 for piece in pieces)
    assert all(piece.text == str(piece) == '%s' % piece for piece in pieces)
    assert text != generator(seed=4).generate(None)

    # a loop that was left goes on
    for i, piece in enumerate(one):
        if i == 4:
            break
    assert [piece.id for piece in one] == [piece.id for piece in pieces[5:]]


def test_signal():
    seen = []
    one = generator()
    one.connect('token', lambda generator, piece: seen.append(piece.text))
    assert one.generate(None) == ''.join(seen)
    assert len(seen) == 12


def test_settings():
    one = generator(temperature=0, top_k=3, top_p=0.5, seed=2**64 - 1, stop=['a', 'bc'])
    assert one.props.temperature == 0 and one.top_k == 3 and one.top_p == 0.5 and one.seed == 2**64 - 1
    assert one.stop == ['a', 'bc'] and one.prompt == '\x01\x05'
    one.set_prompt_bytes(b'\x01\xff')
    assert one.prompt == '\x01\ufffd'
    raises(ValueError, ['temperature', '-1', '0'], generator, temperature=-1)
    raises(ValueError, ['top_p', '2', '1'], generator, top_p=2)
    raises(ValueError, ['temperature', '-1', '0.0 to'], one.set_temperature, -1)
    error = raises(GLib.Error, ['prompt', 'tokens', 'positions'], generator(prompt='\x01' * 5000).generate, None)
    assert error.matches(Reformer.model_error_quark(), Reformer.ModelError.SHAPE)


def test_async():
    loop = GLib.MainLoop()
    one = generator()
    seen, results = [], []

    def done(source, result):
        results.append(source.generate_finish(result))
        loop.quit()

    one.connect('token', lambda generator, piece: seen.append(piece.text))
    one.generate_async(None, done)
    raises(GLib.Error, ['at work already'], one.next_piece, None)
    loop.run()
    assert results == [''.join(seen)] == [one.generate(None)]

    ids = []

    def step(source, result):
        piece = source.next_piece_finish(result)
        if piece is None:
            loop.quit()
        else:
            ids.append(piece.id)
            source.next_piece_async(None, step)

    one.restart()
    one.next_piece_async(None, step)
    loop.run()
    assert ids == [piece.id for piece in one]


class Letters(Reformer.Tokenizer):
    """An id for each of 40 letters."""

    ALL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn'

    def do_encode(self, text):
        return [self.ALL.index(letter) for letter in text.get_data().decode()]

    def do_decode(self, ids):
        return ''.join(self.ALL[i] for i in numpy.frombuffer(ids.get_data() or b'', dtype=numpy.int32)).encode()

    def do_count_ids(self):
        return 40


def test_tokenizer():
    one = generator(tokenizer=Letters(), prompt='ABC')
    text = one.generate(None)
    assert len(text) == 12 and set(text) <= set(Letters.ALL)
    loop = GLib.MainLoop()
    results = []
    one.generate_async(None, lambda source, result: [results.append(source.generate_finish(result)), loop.quit()])
    loop.run()
    assert results == [text]


class Nothing(Reformer.Layer):
    """Adds nothing, and remembers who called."""

    callers = set()

    def do_forward(self, x, tape):
        self.callers.add(threading.get_ident())
        return numpy.zeros_like(numpy.asarray(x))


def test_layer():
    own = Reformer.Model.load(device, Gio.File.new_for_path(FOLDER), None)
    own.get_stack().insert(1, 'nothing', Nothing())
    loop = GLib.MainLoop()
    results = []
    one = Reformer.Generator(model=own, prompt='\x01\x05', max_tokens=12)
    one.generate_async(None, lambda source, result: [results.append(source.generate_finish(result)), loop.quit()])
    loop.run()
    assert results == [generator().generate(None)]
    assert Nothing.callers == {threading.get_ident()}


def test_session():
    ids = numpy.arange(1, 25, dtype=numpy.int32).reshape(2, 12)
    session = Reformer.Session(model=model)
    last = numpy.asarray(model.forward(ids))[:, -1]
    session.feed(ids[:, :5])
    session.feed(ids[:, 5:6].tolist())
    logits = numpy.asarray(session.feed(ids[:, 6:]))
    assert logits.shape == (2, 40) and session.length == 12
    assert numpy.abs(logits - last).max() < 1e-4 * numpy.abs(last).max()
    raises(GLib.Error, ['1 rows', '2'], session.feed, [[1]])


tap.run('python/generator', tap.collect(globals()))
