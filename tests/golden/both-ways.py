#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""transformers loads what this library saves, and the other way round, and both compute the same.

usage: both-ways.py PYTHON        PYTHON has torch, transformers, safetensors and numpy; this one has gi and numpy

Models that transformers made and saved are loaded here, and saved again; so are models made here. transformers loads all of them, gets their rotations
(as make.py does it) and computes in float64 last hidden state, outputs and loss. They must agree within 1e-5. A bias of the language head, which transformers 5 reads and
does not add, is taken off."""
import os
import subprocess
import sys
import tempfile

import numpy as np

TOLERANCE = 1e-5
SIZES = dict(vocab_size=40, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=64, axial_pos_shape=[8, 8], axial_pos_embds_dim=[8, 24],
             max_position_embeddings=64, lsh_attn_chunk_length=8, local_attn_chunk_length=8, num_hashes=2, initializer_range=0.15, hidden_dropout_prob=0.0,
             lsh_attention_probs_dropout_prob=0.0, local_attention_probs_dropout_prob=0.0)
# name: (transformers' class, head here, settings, labels of [4, 64] tokens)
CASES = {
    'language': ('ReformerModelWithLMHead', 'LANGUAGE', dict(attn_layers=['local', 'lsh'], is_decoder=True, num_buckets=[2, 4]), 'ids'),
    'masked': ('ReformerForMaskedLM', 'MASKED_LANGUAGE', dict(attn_layers=['lsh', 'local'], num_buckets=[8], lsh_num_chunks_after=1, local_num_chunks_after=1), 'some'),
    'classes': ('ReformerForSequenceClassification', 'CLASSIFICATION', dict(attn_layers=['local', 'lsh'], num_buckets=[8], axial_pos_embds=False, num_labels=4), [3, 0, 1, 3]),
    'numbers': ('ReformerForSequenceClassification', 'REGRESSION', dict(attn_layers=['lsh'], num_buckets=[8], num_labels=1), [0.5, -1.5, 2.0, 0.25]),
    'labels': ('ReformerForSequenceClassification', 'MULTI_LABEL', dict(attn_layers=['local'], num_labels=3), [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]),
    'spans': ('ReformerForQuestionAnswering', 'SPANS', dict(attn_layers=['local', 'lsh'], num_buckets=[2, 2, 2], hidden_act='gelu'), [[3, 5], [0, 63], [17, 17], [20, 31]]),
}
IDS = np.arange(4 * 64, dtype=np.int32).reshape(4, 64) * 7919 % 37 + 3
MASK = (np.arange(64) < np.array([64, 60, 51, 64])[:, None]).astype(np.int32)


def labels_of(name, mask):
    labels = CASES[name][3]
    if labels == 'ids':
        return np.where(mask == 1, IDS, -100).astype(np.int32)
    if labels == 'some':
        return np.where((mask == 1) & (IDS % 3 == 0), IDS, -100).astype(np.int32)
    return np.array(labels, dtype=np.float32 if isinstance(np.array(labels).flat[0], np.floating) else np.int32)


def mask_of(name):
    """Spans are told apart: their softmax leaves masked positions out here."""
    return np.ones_like(MASK) if name == 'spans' else MASK


# ---- With transformers ----


def make(folder):
    import torch
    import transformers
    for i, (name, (cls, head, settings, _)) in enumerate(CASES.items()):
        torch.manual_seed(i)
        settings = dict(SIZES, **settings)
        if settings.get('num_buckets', [0, 0])[1:] == []:
            settings['num_buckets'] = settings['num_buckets'][0]
        if head == 'MULTI_LABEL':
            settings['problem_type'] = 'multi_label_classification'
        model = getattr(transformers, cls)(transformers.ReformerConfig(**settings))
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if key.endswith('bias') or 'layer_norm' in key:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(os.path.join(folder, 'theirs', name))


def put_rotations(model, tensors):
    import torch
    for i, layer in enumerate(model.reformer.encoder.layers):
        attention = layer.attention.self_attention
        if hasattr(attention, 'query_key'):
            rotations = torch.from_numpy(tensors['reformer.encoder.layers.%d.attention.self_attention.rotations' % i]).double()

            def hashed(vectors, num_hashes, mask, *rest, _plain=attention._hash_vectors, _rotations=rotations, **kw):
                randn, torch.randn = torch.randn, lambda *a, **k: _rotations[:, :, :num_hashes]
                try:
                    return _plain(vectors, num_hashes, mask, *rest, **kw)
                finally:
                    torch.randn = randn
            attention._hash_vectors = hashed


def compute(folder, name, tensors):
    import torch
    import transformers
    config = transformers.ReformerConfig.from_pretrained(folder)
    model, info = getattr(transformers, config.architectures[0]).from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__ == CASES[name][0], type(model)
    assert not info['missing_keys'] and not info['mismatched_keys'] and all(key.endswith('.rotations') for key in info['unexpected_keys']), info
    model = model.double().eval()
    put_rotations(model, tensors)
    ids, mask = torch.from_numpy(IDS).long(), torch.from_numpy(mask_of(name)).long()
    labels = torch.from_numpy(labels_of(name, mask_of(name)))
    labels = labels.double() if labels.is_floating_point() else labels.long()
    targets = dict(start_positions=labels[:, 0], end_positions=labels[:, 1]) if name == 'spans' else dict(labels=labels)
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=mask, **targets)
        hidden = model.reformer(input_ids=ids, attention_mask=mask).last_hidden_state
    outputs = torch.stack([result.start_logits, result.end_logits], -1) if name == 'spans' else result.logits
    return hidden.numpy(), outputs.numpy(), float(result.loss)


def compare(folder):
    from safetensors.numpy import load_file
    worst = 0
    for which in [name + how for name in CASES for how in ('-loaded', '-made')]:
        name = which.split('-')[0]
        saved = os.path.join(folder, 'ours', which)
        tensors, ours = load_file(os.path.join(saved, 'model.safetensors')), np.load(saved + '.npz')
        for source in [saved] + ([os.path.join(folder, 'theirs', name)] if which.endswith('-loaded') else []):
            hidden, outputs, loss = compute(source, name, tensors)
            kept = mask_of(name) == 1
            mine = ours['outputs'].astype(np.float64)
            if 'bias' in ours:
                mine = mine - ours['bias']
            per_token = mine.ndim == 3
            differences = [np.abs(hidden - ours['hidden'])[kept].max(), np.abs(outputs.reshape(mine.shape) - mine)[kept if per_token else ...].max()]
            if 'bias' not in ours:
                differences.append(abs(loss - float(ours['loss'])))
            print('%s, %s: last hidden state within %.1e, outputs %.1e%s' % (which, 'as it was saved here' if source == saved else "of transformers' own file", differences[0],
                                                                              differences[1], ', loss %.1e' % differences[2] if len(differences) > 2 else ''))
            worst = max(worst, *differences)
    print('at most %.1e, wanted %.0e' % (worst, TOLERANCE))
    return worst <= TOLERANCE


# ---- With this library ----


def run_here(folder):
    import gi
    gi.require_version('Reformer', '1.0')
    from gi.repository import Gio, Reformer

    def keep(model, path, name):
        model.save(Gio.File.new_for_path(path), None)
        mask = mask_of(name)
        arrays = dict(hidden=np.asarray(model.encode(IDS, mask)), outputs=np.asarray(model.forward(IDS, mask)), loss=model.compute_loss(IDS, mask, labels_of(name, mask)))
        arrays.update({'bias': np.asarray(parameter.value) for parameter in model.get_parameters() if parameter.name == 'lm_head.bias'})
        np.savez(path + '.npz', **arrays)

    os.makedirs(os.path.join(folder, 'ours'))
    for i, (name, (_, head, settings, _)) in enumerate(CASES.items()):
        path = os.path.join(folder, 'ours', name)
        keep(Reformer.Model.load(None, Gio.File.new_for_path(os.path.join(folder, 'theirs', name)), None), path + '-loaded', name)
        config = Reformer.Config(head=getattr(Reformer.Head, head), local_attn_circular=True, **dict(SIZES, **settings))
        model = Reformer.Model(config=config, seed=i)
        model.prepare()
        for parameter in model.get_parameters():
            if parameter.name.endswith('bias'):
                parameter.value.upload(np.random.default_rng(i).normal(0, 0.1, parameter.value.get_shape()).astype(np.float32))
        keep(model, path + '-made', name)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for step in ['make', 'here', 'compare']:
            if step == 'here':
                run_here(folder)
            else:
                subprocess.run([sys.argv[1], os.path.abspath(__file__), '--' + step, folder], check=True)


if __name__ == '__main__':
    if sys.argv[1] == '--make':
        make(sys.argv[2])
    elif sys.argv[1] == '--compare':
        sys.exit(not compare(sys.argv[2]))
    else:
        main()
