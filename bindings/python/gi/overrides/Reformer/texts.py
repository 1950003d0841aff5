# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts: bytes, lists and arrays where C has GLib.Bytes, and texts that are made piece by piece."""

from gi.repository import Gio

from .arguments import replace
from .arrays import DType, Reformer, as_bytes, as_elements, as_labels

Generator = Reformer.Generator
Piece = Reformer.Piece
Sample = Reformer.Sample
SentencePieceTokenizer = Reformer.SentencePieceTokenizer
Tokenizer = Reformer.Tokenizer

_tokenizer_encode = Tokenizer.encode
_tokenizer_decode = Tokenizer.decode
_sample_new = Sample.new
_pieces_new_from_bytes = SentencePieceTokenizer.new_from_bytes
_sample_new_from_values = Sample.new_from_values
_generator_set_prompt_bytes = Generator.set_prompt_bytes


# ---- Tokenizers and samples ----


def _encode(self, text):
    return _tokenizer_encode(self, as_bytes(text))


def _decode(self, ids):
    return _tokenizer_decode(self, as_elements(ids, 'ids'))


def _new_pieces(bytes):
    return _pieces_new_from_bytes(as_bytes(bytes))


def _new_sample(tokens, mask=None, labels=None):
    return _sample_new(as_elements(tokens, 'tokens'), as_elements(mask, 'mask', DType.UINT8), as_labels(labels, 'labels'))


def _new_sample_from_values(values, features=None, mask=None, labels=None):
    """Makes a sample of vectors. The number of features is the last dimension of an array `[T, features]`, or is given beside bytes."""
    if features is None:
        shape = getattr(values, 'shape', None)
        if shape is None or len(shape) != 2:
            raise TypeError('values: %s; wanted an array [T, features], or features beside' % ('shape %s' % list(shape) if shape is not None else type(values).__name__))
        features = shape[1]
    return _sample_new_from_values(as_elements(values, 'values', DType.FLOAT32), features, as_elements(mask, 'mask', DType.UINT8), as_labels(labels, 'labels'))


replace(Tokenizer, 'encode', _encode)
replace(Tokenizer, 'decode', _decode)
_new_pieces.__doc__ = _pieces_new_from_bytes.__doc__
SentencePieceTokenizer.new_from_bytes = staticmethod(_new_pieces)
_new_sample.__doc__ = _sample_new.__doc__
Sample.new = staticmethod(_new_sample)
Sample.new_from_values = staticmethod(_new_sample_from_values)


# ---- Generators ----


def _begin(generator):
    """A text that has ended begins anew."""
    if generator.get_end() != Reformer.GenerationEnd.NONE:
        generator.restart()


def _pieces(self):
    """The pieces of the text from where it is; a text that has ended begins anew."""
    _begin(self)
    while True:
        piece = self.next_piece(None)
        if piece is None:
            return
        yield piece


async def _pieces_later(self):
    """The same for `async for`: pieces are made in the event loop's threads. Cancelling the task cancels the piece under way."""
    import asyncio
    _begin(self)
    cancellable = Gio.Cancellable()
    try:
        while True:
            piece = await asyncio.get_running_loop().run_in_executor(None, self.next_piece, cancellable)
            if piece is None:
                return
            yield piece
    finally:
        cancellable.cancel()


def _set_prompt_bytes(self, prompt):
    _generator_set_prompt_bytes(self, as_bytes(prompt))


Generator.__iter__ = _pieces
Generator.__aiter__ = _pieces_later
Piece.__str__ = Piece.get_text
Piece.__bytes__ = lambda self: self.get_bytes().get_data() or b''
replace(Generator, 'set_prompt_bytes', _set_prompt_bytes)
