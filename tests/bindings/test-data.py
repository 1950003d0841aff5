# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tokenizers and data sets in Python: those of the library, and written there."""

import collections
import csv
import io
import json
import os
import random
import tempfile

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import tap  # noqa: E402
from tap import raises  # noqa: E402


class Words(Reformer.Tokenizer):
    """An id for each word: its length."""

    how = 'array'

    def do_encode(self, text):
        ids = [len(word) for word in text.get_data().split()]
        if self.how == 'raises':
            raise ValueError('no such\nword')
        if self.how == 'none':
            return None
        if self.how == 'float':
            return numpy.array([1.5])
        if self.how == 'bytes':
            return numpy.array(ids, dtype=numpy.int32).tobytes()
        return numpy.array(ids, dtype=numpy.int64) if self.how == 'array' else ids

    def do_decode(self, ids):
        return ' '.join('x' * n for n in numpy.frombuffer(ids.get_data() or b'', dtype=numpy.int32))

    def do_count_ids(self):
        return 20


class Numbers(Reformer.Dataset):
    how = 'list'

    def do_count_samples(self, length):
        if self.how == 'raises':
            raise RuntimeError('lost')
        return None if self.how == 'none' else 3

    def do_read_sample(self, index, length):
        ids = list(range(index, index + length))
        if self.how == 'raises':
            raise IndexError('no sample')
        if self.how == 'none':
            return None
        if self.how == 'long':
            return ids + [1]
        if self.how == 'sample':
            return Reformer.Sample(tokens=ids, mask=[1] * length, labels=numpy.array(ids) + 1)
        return ids


def elements(bytes, dtype=numpy.int32):
    return numpy.frombuffer(bytes.get_data() or b'', dtype=dtype).tolist()


def test_bytes():
    tokenizer = Reformer.ByteTokenizer()
    assert tokenizer.encode_text('hä') == [106, 197, 166]
    assert tokenizer.decode_text([106, 197, 166, 0]) == 'hä'
    assert tokenizer.decode_text([197]) == '\ufffd'
    assert elements(tokenizer.encode(b'ab')) == [99, 100]
    assert tokenizer.decode([99, 100]).get_data() == b'ab'
    assert tokenizer.decode(numpy.array([99, 100])).get_data() == b'ab'
    assert elements(tokenizer.encode(b'')) == [] and elements(tokenizer.decode([]), numpy.uint8) == []
    raises(GLib.Error, ['id 1 is 300', 'from 0 to 257'], tokenizer.decode, [2, 300])


def test_pieces():
    folder = os.path.join(os.environ['G_TEST_SRCDIR'], 'sentencepiece')
    with open(os.path.join(folder, 'expected.json'), encoding='utf-8') as file:
        expected = json.load(file)['models']
    for name in expected:
        path = os.path.join(folder, name + '.model')
        with open(path, 'rb') as file:
            content = file.read()
        for tokenizer in Reformer.SentencePieceTokenizer.new_from_file(Gio.File.new_for_path(path), None), Reformer.SentencePieceTokenizer.new_from_bytes(content):
            assert tokenizer.count_ids() == expected[name]['pieces'] and tokenizer.identify().startswith('sentencepiece ')
            for each in expected[name]['texts']:
                if '\\0' not in each['text']:  # a string ends there
                    assert tokenizer.encode_text(each['text']) == each['ids'], each
                    assert tokenizer.decode(each['ids']).get_data() in (each['decoded'].encode(), None), each
    raises(GLib.Error, ['id 1 is 400', '0 to 159'], Reformer.SentencePieceTokenizer.new_from_file(Gio.File.new_for_path(os.path.join(folder, 'plain.model')), None).decode_text, [5, 400])
    raises(GLib.Error, ['wants 5 bytes'], Reformer.SentencePieceTokenizer.new_from_bytes, b'\x0a\x05')
    raises(TypeError, ['new_from_bytes', '5'], Reformer.SentencePieceTokenizer.new_from_bytes, 5)
    raises(GLib.Error, ['has no model', 'new_from_file'], Reformer.SentencePieceTokenizer().encode_text, 'a')


def test_decoding_as_python_does():
    tokenizer = Reformer.ByteTokenizer()
    generator = numpy.random.default_rng(5)
    pieces = [b'\xf0\x9f\x8c\x8d', b'\xc3\xa4', b'\xe2\x82\xac', b'a', b'\xed\xa0\x80', b'\xf4\x90', b'\xc0', b'\xe2\x82', b'\xf0\x9f\x8c', b'\x80', b'\xff']
    for _ in range(500):
        text = b''.join(pieces[i] for i in generator.integers(0, len(pieces), 12))
        assert tokenizer.decode_text([b + 2 for b in text]) == text.decode('utf-8', 'replace'), text


def test_tokenizer():
    for how in ('array', 'list', 'bytes'):
        words = Words()
        words.how = how
        assert words.encode_text('a bb ccc') == [1, 2, 3]
    assert words.decode_text([2, 1]) == 'xx x'
    assert words.count_ids() == 20 and 'Words' in words.identify()


def test_tokenizer_mistakes():
    words = Words()
    words.how = 'raises'
    error = raises(GLib.Error, ['encode of Words', 'ValueError: no such word', 'test-data.py'], words.encode_text, 'a')
    assert error.matches(Reformer.file_error_quark(), Reformer.FileError.FAILED)
    words.how = 'none'
    raises(GLib.Error, ['encode of Words', 'it returned None; wanted ids'], words.encode_text, 'a')
    words.how = 'float'
    raises(GLib.Error, ['encode of Words', 'wanted integers'], words.encode_text, 'a')
    words.how = 'list'
    raises(GLib.Error, ['returned 25 as id 1', 'from 0 to 19'], words.encode_text, 'a ' + 'b' * 25)


def test_samples():
    sample = Reformer.Sample(tokens=[1, 2], labels=numpy.array([3, -100]))
    assert elements(sample.props.tokens) == [1, 2] and elements(sample.get_labels()) == [3, -100] and sample.get_mask() is None
    sample = Reformer.Sample.new(numpy.array([1, 2, 3]), [True, False, True])
    assert elements(sample.get_tokens()) == [1, 2, 3] and elements(sample.get_mask(), numpy.uint8) == [1, 0, 1]
    assert elements(Reformer.Sample.new_from_ids([4, 5]).get_tokens()) == [4, 5]
    frames = Reformer.Sample.new_from_values(numpy.array([[1, 2.5], [3, 4], [5, 6]]), labels=[1, -100, 2])
    assert elements(frames.get_values(), numpy.float32) == [1, 2.5, 3, 4, 5, 6] and frames.get_features() == 2 and frames.get_length() == 3
    assert elements(frames.get_labels()) == [1, -100, 2] and frames.get_tokens() is None and repr(frames) == '<Reformer.Sample of 3 vectors of 2, with labels>'
    assert Reformer.Sample(values=numpy.ones((4, 3), numpy.float32), features=3).get_length() == 4
    raises(TypeError, ['values', 'shape [6]', '[T, features]'], Reformer.Sample.new_from_values, numpy.ones(6))
    raises(ValueError, ['features', '0', 'at least 1'], Reformer.Sample.new_from_values, numpy.ones((4, 0)))
    raises(ValueError, ['tokens', '2147483648'], Reformer.Sample, tokens=[2 ** 31])
    raises(ValueError, ['mask', '300'], Reformer.Sample, tokens=[1], mask=[300])
    raises(TypeError, ['labels', 'wanted floating point, integers'], Reformer.Sample, tokens=[1], labels=['a'])
    for made in [Reformer.Sample(tokens=[1], labels=[0.5, 2]), Reformer.Sample.new([1], None, numpy.array([0.5, 2]))]:
        assert numpy.frombuffer(made.get_labels().get_data(), numpy.float32).tolist() == [0.5, 2]


def test_dataset():
    numbers = Numbers()
    assert numbers.count_samples(4) == 3
    assert elements(numbers.read_sample(2, 4).get_tokens()) == [2, 3, 4, 5]
    assert numbers.identify() is None and numbers.get_held_out() is None
    numbers.how = 'sample'
    assert elements(numbers.read_sample(0, 2).get_labels()) == [1, 2]


def test_dataset_mistakes():
    numbers = Numbers()
    numbers.how = 'raises'
    raises(GLib.Error, ['count_samples of Numbers', 'RuntimeError: lost'], numbers.count_samples, 4)
    raises(GLib.Error, ['read_sample of Numbers', 'IndexError: no sample'], numbers.read_sample, 0, 4)
    numbers.how = 'none'
    raises(GLib.Error, ['count_samples of Numbers', 'it returned None; wanted a number'], numbers.count_samples, 4)
    raises(GLib.Error, ['read_sample of Numbers', 'it returned None; wanted a sample'], numbers.read_sample, 0, 4)
    numbers.how = 'long'
    raises(GLib.Error, ['has 5 ids, wanted from 1 to 4'], numbers.read_sample, 0, 4)


def test_text():
    with tempfile.TemporaryDirectory() as folder:
        file = Gio.File.new_for_path(os.path.join(folder, 'book.txt'))
        with open(file.get_path(), 'w') as text:
            text.write('a bb ccc dddd ' * 10)
        data = Reformer.TextDataset(file=file, tokenizer=Words(), held_out_fraction=0.5)
        assert data.count_samples(6) == 4
        assert elements(data.read_sample(3, 6).get_tokens()) == [3, 4]
        held_out = data.get_held_out()
        assert held_out.count_samples(6) == 4 and held_out.get_held_out() is None
        assert data.identify() != held_out.identify()
        assert Reformer.TextDataset(file=file).get_tokenizer().identify() == 'bytes'
        folder = Gio.File.new_for_path(folder)
        Reformer.ByteTokenizer().save(folder, None)
        assert isinstance(Reformer.Tokenizer.load(folder, None), Reformer.ByteTokenizer)
        pieces = Gio.File.new_for_path(os.path.join(os.environ['G_TEST_SRCDIR'], 'sentencepiece', 'plain.model'))
        Reformer.SentencePieceTokenizer.new_from_file(pieces, None).save(folder, None)
        assert isinstance(Reformer.Tokenizer.load(folder, None), Reformer.SentencePieceTokenizer)
    raises(GLib.Error, ['book.txt', 'cannot be opened'], Reformer.TextDataset(file=file).count_samples, 4)


def test_labelled():
    with tempfile.TemporaryDirectory() as folder:
        file = Gio.File.new_for_path(os.path.join(folder, 'moods.csv'))
        with open(file.get_path(), 'w') as table:
            table.write('text,label\n' + 'sun,good\nrain,bad\n' * 10)
        data = Reformer.LabelledDataset(file=file, held_out_fraction=0.5)
        assert data.labels == Reformer.Labelling.CLASS and data.columns == []
        assert data.count_samples(8) == data.get_held_out().count_samples(8) == 10
        assert data.list_classes() == ['bad', 'good'] and data.count_labels() == 2
        data.props.held_out_fraction = 0
        sample = data.read_sample(1, 3)
        assert elements(sample.get_tokens()) == [ord(c) + 2 for c in 'rai'] and elements(sample.get_labels()) == [0]
        data.classes = ['good', 'bad']
        assert elements(data.read_sample(1, 3).get_labels()) == [1]
        data.classes = ['good']
        raises(GLib.Error, ['moods.csv: line 3, column 2 (label): "bad" is no class; wanted one of good'], data.count_samples, 8)
        words = Reformer.LabelledDataset(file=file, tokenizer=Words(), labels='none', format='lines')
        assert elements(words.read_sample(0, 8).get_tokens()) == [10] and words.read_sample(0, 8).get_labels() is None
        words.tokenizer.how = 'raises'
        raises(GLib.Error, ['moods.csv: line 1: encode of Words', 'ValueError: no such word'], words.read_sample, 0, 8)
    raises(GLib.Error, ['moods.csv', 'cannot be opened'], Reformer.LabelledDataset(file=file).count_samples, 4)
    letters = Reformer.AlphabetTokenizer.new('ACGT')
    assert letters.encode_text('gat') == [4, 2, 5] and letters.decode_text([5, 0, 1]) == 'T' and letters.count_ids() == 6
    raises(GLib.Error, ['letter 2, "U"', 'wanted one of "ACGT"'], letters.encode_text, 'AU')


def test_tables_as_python_does():
    """What we read Python's csv reads too, with the same fields; what it refuses we refuse."""
    draw = random.Random(5)
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Gio.File.new_for_path(os.path.join(folder, 'any.csv'))
        for _ in range(400):
            text = 'text,other\n' + ''.join(draw.choice(['a', ',', '"', '\n', ' '] + ['a,b\n', '"a","b"\r\n', '"a""\n","b"\n', 'a, b\n'] * 4) for _ in range(draw.randrange(1, 7)))
            with open(file.get_path(), 'w', newline='') as table:
                table.write(text)
            try:
                rows = [row for row in csv.reader(io.StringIO(text, newline=''), strict=True) if len(row) > 1 or ''.join(row).strip()][1:]
            except csv.Error:
                rows = None
            data = Reformer.LabelledDataset(file=file, labels='none', held_out_fraction=0)
            try:
                ours = [data.tokenizer.decode(data.read_sample(i, 99).get_tokens()).get_data().decode() for i in range(data.count_samples(99))]
            except GLib.Error as error:
                counts['refused'] += 1
                assert 'any.csv: ' in error.message and '\n' not in error.message, error.message
            else:
                counts['read'] += 1
                assert rows is not None and all(len(row) == 2 for row in rows) and ours == [row[0] for row in rows], (text, rows, ours)
    assert min(counts.values()) > 50, counts


class Turning(Numbers):
    """Another sample in each pass."""

    def do_read_sample_of_epoch(self, index, length, epoch):
        if self.how == 'none':
            return None
        return [index + epoch] * length


def test_epochs():
    assert elements(Numbers().read_sample_of_epoch(1, 3, 5).get_tokens()) == [1, 2, 3]
    assert elements(Turning().read_sample_of_epoch(1, 3, 5).get_tokens()) == [6, 6, 6]
    masked = Reformer.MaskedDataset(dataset=Turning(), n_ids=20, mask_id=19, fraction=1)
    assert elements(masked.read_sample_of_epoch(1, 3, 5).get_labels()) == [6, 6, 6] and elements(masked.read_sample(1, 3).get_labels()) == [1, 1, 1]
    assert set(elements(masked.read_sample_of_epoch(0, 200, 2).get_tokens())) > {2, 19}
    raises(GLib.Error, ['MaskedDataset has no dataset'], Reformer.MaskedDataset().count_samples, 4)
    turning = Turning()
    turning.how = 'none'
    raises(GLib.Error, ['read_sample_of_epoch of Turning', 'it returned None; wanted a sample'], turning.read_sample_of_epoch, 0, 3, 1)


def test_presets():
    assert 'small' in Reformer.Config.list_presets()
    assert Reformer.Config.new_preset('small').vocab_size == Reformer.ByteTokenizer().count_ids()
    raises(GLib.Error, ['no preset "large"', 'small'], Reformer.Config.new_preset, 'large')


tap.run('python-data', tap.collect(globals()))
