# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/coming-from-transformers.md has every key and no name that is not there."""

import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import Reformer  # noqa: E402

import tap  # noqa: E402

CORE = '{http://www.gtk.org/introspection/core/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'

# ReformerConfig().to_dict() of transformers 5.23.0, what else it takes, and what old versions wrote.
KEYS = '''
_name_or_path add_cross_attention architectures attention_head_size attention_probs_dropout_prob attn_layers axial_norm_std axial_pos_embds axial_pos_embds_dim axial_pos_shape
bos_token_id chunk_size_feed_forward chunk_size_lm_head classifier_dropout dtype eos_token_id feed_forward_size hash_seed hidden_act hidden_dropout_prob hidden_size id2label
initializer_range intermediate_size is_decoder is_encoder_decoder label2id layer_norm_eps local_attention_probs_dropout_prob local_attn_chunk_length local_num_chunks_after
local_num_chunks_before lsh_attention_probs_dropout_prob lsh_attn_chunk_length lsh_num_chunks_after lsh_num_chunks_before max_position_embeddings model_type num_attention_heads
num_buckets num_chunks_after num_chunks_before num_hashes num_hidden_layers num_labels output_attentions output_hidden_states output_past pad_token_id problem_type return_dict
sinusoidal_pos_embds task_specific_params tie_word_embeddings transformers_version use_cache vocab_size
'''.split()

# In the right columns, and of Python, NumPy, torch or the example itself.
OTHERS = set('''
None True False next p for in if endswith name np numpy asarray array device ids mask labels file folder text steps length data model config trainer dataset optimizer schedule evaluation
session tensor word_embeddings embeddings reformer weight torch optim checkpoints best log csv jsonl kept number mean Gio GLib Cancellable reformer_enwik8
'''.split())

with open(os.path.join(os.environ['G_TEST_SRCDIR'], '..', 'docs', 'coming-from-transformers.md'), encoding='utf-8') as page:
    text = page.read()


def rows_of(heading):
    """The cells of the tables below a heading, up to the next one of its level."""
    level = heading.split()[0]
    part = text.split('\n%s\n' % heading, 1)[1]
    part = re.split(r'\n%s ' % level, part)[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if line.startswith('| ') and not set(line) <= set('|- ') and cells[-1] not in ('here', 'meaning here'):
            yield cells


def words_of(cell):
    return [word.replace('-', '_') for code in re.findall(r'`([^`]+)`', cell) for word in re.findall(r'[A-Za-z_][A-Za-z0-9_-]*', re.sub(r'"[^"]*"', '', code))]


def test_keys():
    named = {key for cells in rows_of('## Configuration keys') for key in re.findall(r'`([a-z_0-9]+)`', cells[0])}
    missing = sorted(set(KEYS) - named)
    assert not missing, missing
    own = set(json.loads(Reformer.Config().to_json()))
    assert not own - named, own - named


def test_defaults():
    settings = json.loads(Reformer.Config().to_json())
    compared = 0
    for cells in rows_of('## Configuration keys'):
        keys = re.findall(r'`([a-z_0-9]+)`', cells[0])
        try:
            values = json.loads('[%s]' % cells[1])
        except ValueError:
            continue
        if len(values) == len(keys):
            for key, value in zip(keys, values):
                if key in settings and key != 'num_hidden_layers':  # null means all layers, and is written as their number
                    assert settings[key] == value, (key, settings[key], value)
                    compared += 1
    print('# %d defaults' % compared)
    assert compared >= 30


def test_names():
    namespace = ElementTree.parse(os.environ['REFORMER_GIR']).getroot().find(CORE + 'namespace')
    known = set(OTHERS)
    for element in namespace.iter():
        for attribute in ('name', GLIB + 'name'):
            if element.get(attribute):
                known.add(element.get(attribute).replace('-', '_'))
    known |= {name.upper() for name in known} | set(KEYS) | {'Reformer', 'numpy', 'from_array'}
    n = 0
    for cells in rows_of('## Calls'):
        if cells[-1] == 'not here':
            continue
        words = words_of(cells[-1])
        n += len(words)
        assert not set(words) - known, (cells, sorted(set(words) - known))
    print('# %d names' % n)
    assert n > 150


def test_table_defaults():
    """Numbers in parentheses behind a property of the trainer, the generator or the schedule."""
    compared = 0
    objects = {'### Training': [Reformer.Trainer(), Reformer.Schedule()], '### Generation': [Reformer.Generator()]}
    for heading, made in objects.items():
        for cells in rows_of(heading):
            for name, value in re.findall(r'`(?:\w+\.)?(\w+)` \(([0-9.]+|true)\b', cells[-1]):
                values = [each.get_property(name) for each in made if each.find_property(name) is not None]
                if values:
                    assert float(values[0]) == float(value.replace('true', '1')), (name, values, value)
                    compared += 1
    print('# %d defaults' % compared)
    assert compared >= 18


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    tap.run('pages', tap.collect(globals()))
