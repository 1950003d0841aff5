# SPDX-License-Identifier: LGPL-2.1-or-later
"""reformer train --task: each task on a small file of its own, with evaluate and info; and what does not fit together."""

import gzip
import json
import math
import random
import re

from command import TINY, fine, load, message, need_device, path, run, tap, write

QUICK = [*TINY, '--length', '32', '--batch-size', '4', '--learning-rate', '1e-2', '--hidden-dropout-prob', '0', '--seed', '3']
METRICS = {'bits', 'perplexity', 'bits_per_byte', 'accuracy', 'macro_f1', 'matthews', 'mean_squared_error', 'mean_absolute_error', 'exact_match'}


def table(name, rows, header=('text', 'label')):
    """A CSV file; what has commas is quoted."""
    lines = [','.join('"%s"' % cell if ',' in str(cell) else str(cell) for cell in row) for row in [header, *rows]]
    return write(name, ('\n'.join(lines) + '\n').encode())


def make_files():
    draw = random.Random(5)
    moods = {'glad': ['what a fine day', 'the sun is out', 'so good to see you'], 'sad': ['rain again', 'all is lost', 'the milk is sour'], 'cross': ['who took it?', 'not again!', 'stop that!']}
    rows = [(draw.choice(moods[mood]) + ', ' + draw.choice(('he said', 'she said')), mood) for mood in moods for _ in range(30)]
    draw.shuffle(rows)
    table('moods.csv', rows)
    table('more.csv', rows[:40])
    with gzip.open(path('moods.txt.gz'), 'wb') as file:
        file.write(''.join('%s\t%s\n' % (mood, text) for text, mood in rows).encode())
    words = [''.join(draw.choice('abcd') for _ in range(8)) for _ in range(60)]
    table('counts.csv', [(word, word.count('a') / 4, word.count('b') / 4) for word in words], ('text', 'as', 'bs'))
    table('letters.csv', [(word, ','.join(sorted(set(word)))) for word in words])
    table('spans.csv', [('x' * i + 'answer' + 'y' * (9 - i), '%d,%d' % (i, i + 5)) for i in range(10) for _ in range(5)])
    table('kinds.csv', [(word, ' '.join('vowel' if letter == 'a' else 'consonant' for letter in word)) for word in words])
    table('heights.csv', [(word, ' '.join(str((ord(letter) - ord('a')) / 4) for letter in word)) for word in words])
    write('genes.fa', ''.join('>gene%d %s\n%s\n' % (i, 'coding' if i % 2 else 'other', ('ATGGCC' if i % 2 else 'TTTTAA') * 4) for i in range(40)).encode())


def learn(name, task, data, *arguments, steps=8):
    """Trains with an evaluation at the end; what the run's log says of it."""
    result = fine('train', name, '--task', task, '--data', data, *QUICK, '--steps', str(steps), '--evaluation-interval', str(steps), *arguments)
    with open(path(name + '/log.jsonl'), encoding='utf-8') as file:
        line = next(line for line in map(json.loads, file) if line['event'] == 'evaluated')
    return result, line


def test_classification():
    result, line = learn('moods', 'classification', 'moods.csv', steps=120)
    assert METRICS & set(line) == {'accuracy', 'macro_f1', 'matthews'}, line
    assert line['accuracy'] == 1 and line['macro_f1'] == 1 and line['matthews'] == 1 and line['targets'] == line['samples'] == 9, line
    text = result.err.decode()
    assert re.search(r'^step 120/120  loss \d\.\d{3}  ', text, re.M), text
    assert re.search(r'^step 120  held out: loss \d\.\d{4}, accuracy 1.000, macro F1 1.000, Matthews 1.000, the best so far$', text, re.M), text
    assert b'reformer generate' not in result.out and b'reformer evaluate moods --data FILE' in result.out, result
    config = load('moods', 'config.json')
    assert config['architectures'] == ['ReformerForSequenceClassification'] and config['is_decoder'] is False, config
    assert config['id2label'] == {'0': 'cross', '1': 'glad', '2': 'sad'} and config['label2id'] == {'cross': 0, 'glad': 1, 'sad': 2}, config
    with open(path('moods/log.csv'), encoding='utf-8') as file:
        assert file.readline().split(',')[3] == 'bits' and file.readline().split(',')[3] == ''


def test_evaluate():
    text = fine('evaluate', 'moods').out.decode()
    assert re.search(r'^data  +.*moods.csv, 0.1 of it$', text, re.M) and re.search(r'^accuracy +1.0000$', text, re.M) and 'bits' not in text and 'perplexity' not in text, text
    own = fine('evaluate', 'moods', '--json').json()
    assert own['task'] == 'classification' and own['samples'] == 9 and METRICS & set(own) == {'accuracy', 'macro_f1', 'matthews'}, own
    # another file, in another format, packed, and with a class less: the classes are the model's
    packed = fine('evaluate', 'moods', '--data', 'moods.txt.gz', '--json').json()
    assert packed['samples'] == 90 and packed['accuracy'] > 0.95, packed
    table('two.csv', [('rain again, he said', 'sad'), ('not again!, she said', 'cross')] * 5, ('words', 'mood'))
    two = fine('evaluate', 'moods', '--data', 'two.csv', '--columns', 'words', '--label-columns', 'mood', '--json').json()
    assert two['samples'] == 10 and two['accuracy'] == 1, two
    table('strange.csv', [('rain again', 'happy')])
    message(run('evaluate', 'moods', '--data', 'strange.csv'), 'strange.csv', 'line 2', 'happy')


def test_info():
    text = fine('info', 'moods').out.decode()
    assert re.search(r'^head +classification \(ReformerForSequenceClassification\)$', text, re.M) and re.search(r'^labels +3: cross, glad, sad$', text, re.M), text
    assert re.search(r'^direction +both ways$', text, re.M) and re.search(r'^  best +loss \d\.\d{4} held out, at step 120$', text, re.M), text
    seen = fine('info', 'moods', '--json').json()
    assert seen['head'] == 'classification' and seen['run']['best']['bits'] is None and seen['config']['id2label']['2'] == 'sad', seen
    assert seen['run']['options']['data']['labels'] == 'class', seen['run']['options']


def test_resume():
    """It goes on with the same data set, and learns on from its weights."""
    seen = fine('train', 'moods', '--resume', '--steps', '122', '--json', '--quiet').json()
    assert seen['task'] == 'classification' and seen['steps'] == 122 and seen['first_step'] == 120 and seen['bits'] is None, seen
    seen = fine('train', 'tuned', '--from', 'moods', '--data', 'more.csv', '--length', '32', '--steps', '2', '--json', '--quiet').json()
    assert seen['task'] == 'classification' and load('tuned', 'config.json')['id2label']['1'] == 'glad', seen


def test_another_task():
    """From the body of a model that learnt something else."""
    fine('train', 'reader', '--data', 'book.txt', *QUICK, '--steps', '2', '--quiet')
    result = fine('train', 'judge', '--from', 'reader', '--task', 'classification', '--data', 'moods.csv', '--length', '32', '--steps', '1', '--learning-rate', '0', '--json', '--quiet')
    message(result, 'the weights are of a model that is causal', '--is-decoder leaves it so')
    assert result.json()['task'] == 'classification' and load('judge', 'config.json')['is_decoder'] is False and load('judge', 'config.json')['id2label']['1'] == 'glad'
    fine('train', 'third', '--from', 'moods', '--data', 'book.txt', '--task', 'masked-language', '--length', '32', '--steps', '1', '--quiet')
    assert load('third', 'config.json')['architectures'] == ['ReformerForMaskedLM']


def test_regression():
    result, line = learn('counts', 'regression', 'counts.csv', '--label-columns', 'as,bs')
    assert METRICS & set(line) == {'mean_squared_error', 'mean_absolute_error'} and line['targets'] == 12, line
    assert math.isclose(line['mean_squared_error'], line['loss'], rel_tol=1e-6), line
    assert load('counts', 'config.json')['problem_type'] == 'regression' and load('counts', 'reformer-run.json')['config']['num-labels'] == '2'
    assert b'mean squared error' in result.err


def test_multi_label():
    _, line = learn('letters', 'multi-label', 'letters.csv')
    assert METRICS & set(line) == {'accuracy', 'macro_f1', 'exact_match'} and load('letters', 'config.json')['problem_type'] == 'multi_label_classification', line
    assert load('letters', 'config.json')['id2label']['3'] == 'd'


def test_spans():
    _, line = learn('spans', 'spans', 'spans.csv', steps=60)
    assert METRICS & set(line) == {'exact_match'} and line['exact_match'] == 1, line
    assert load('spans', 'config.json')['architectures'] == ['ReformerForQuestionAnswering']


def test_tokens():
    _, line = learn('kinds', 'tokens', 'kinds.csv')
    assert METRICS & set(line) == {'accuracy', 'macro_f1', 'matthews'} and line['targets'] == 6 * 8, line
    assert load('kinds', 'config.json')['id2label'] == {'0': 'consonant', '1': 'vowel'}


def test_values():
    _, line = learn('heights', 'values', 'heights.csv')
    assert METRICS & set(line) == {'mean_squared_error', 'mean_absolute_error'} and line['targets'] == 6 * 8, line


def test_vectors():
    """Numbers in place of ids: the model has no tokenizer, and its data follow from the configuration."""
    draw = random.Random(2)
    rows = [[round(draw.gauss(0, 1), 3) for _ in range(12)] for _ in range(60)]
    write('waves.txt', ''.join('%g\t%s\n' % (sum(row[0::2]) / 6, ' '.join(map(str, row))) for row in rows).encode())
    _, line = learn('waves', 'regression', 'waves.txt', '--input-features', '2')
    assert METRICS & set(line) == {'mean_squared_error', 'mean_absolute_error'} and line['targets'] == 6, line
    assert load('waves', 'config.json')['input_features'] == 2 and load('waves', 'reformer-run.json')['tokenizer'] is None
    assert load('waves', 'reformer-run.json')['data']['features'] == '2'
    seen = fine('evaluate', 'waves', '--json').json()
    assert math.isclose(seen['loss'], line['loss'], rel_tol=1e-6) and seen['samples'] == 6, (seen, line)
    assert fine('evaluate', 'waves', '--data', 'waves.txt', '--json').json()['samples'] == 60
    text = fine('info', 'waves').out.decode()
    assert re.search(r'^input +vectors of 2$', text, re.M) and 'tokenizer' not in text, text
    assert fine('train', 'waves', '--resume', '--steps', '10', '--json', '--quiet').json()['first_step'] == 8
    assert fine('train', 'tides', '--from', 'waves', '--data', 'waves.txt', '--length', '32', '--steps', '1', '--json', '--quiet').json()['task'] == 'regression'
    write('odd.txt', b'1\t1 2 3\n')
    message(run('evaluate', 'waves', '--data', 'odd.txt'), 'odd.txt', 'line 1', '3')
    message(run('evaluate', 'waves', '--data', 'counts.csv', '--label-columns', 'as'), 'counts.csv', 'line 2')
    message(run('train', 'tides-2', '--from', 'waves', '--data', 'waves.txt', '--input-features', '1'), '--input-features is 1', 'have 2')
    message(run('train', 'tides-2', '--input-features', '1', '--data', 'waves.txt', *QUICK), 'input_features is 1', '--task is language', 'regression')
    message(run('generate', 'waves', '--prompt', 'a'), 'waves reads vectors of 2 numbers, no text')
    message(run('info', 'waves', '--attention', '--text', 'book.txt'), 'waves reads vectors of 2 numbers, no text')


def test_rounds():
    """LSH layers hash as often in an evaluation as it asks for."""
    losses = [fine('evaluate', 'moods', '--data', 'more.csv', '--num-hashes-evaluation', str(n), '--json').json()['loss'] for n in (-1, 1, 4)]
    assert losses[0] == fine('evaluate', 'moods', '--data', 'more.csv', '--json').json()['loss'] and losses[1] != losses[2], losses
    message(run('evaluate', 'moods', '--num-hashes-evaluation', '0'), 'num_hashes_evaluation is 0')


def test_masked_language():
    result, line = learn('masked', 'masked-language', 'book.txt', '--mask-fraction', '0.3')
    assert METRICS & set(line) == {'bits', 'perplexity', 'accuracy'} and 0.2 < line['targets'] / (32 * line['samples']) < 0.4, line
    assert b'bits/byte' in result.err and load('masked', 'config.json')['architectures'] == ['ReformerForMaskedLM']
    assert load('masked', 'reformer-run.json')['masking']['fraction'] == '0.3'
    seen = fine('evaluate', 'masked', '--json').json()
    assert math.isclose(seen['loss'], line['loss'], rel_tol=1e-9) and seen['targets'] == line['targets'] and 'bits_per_byte' not in seen, (seen, line)


def test_language():
    _, line = learn('language', 'language', 'book.txt')
    assert METRICS & set(line) == {'bits', 'perplexity', 'bits_per_byte', 'accuracy'}, line
    assert math.isclose(line['bits'], line['bits_per_byte']) and 0 <= line['accuracy'] <= 1, line
    text = fine('evaluate', 'language').out.decode()
    assert text.count('bits per byte') == 1 and re.search(r'^accuracy +0\.\d{4}$', text, re.M), text


def test_fasta():
    """Sequences without labels, in a format of their own, and the alphabet that follows from it."""
    _, line = learn('genes', 'classification', 'genes.fa', steps=30)
    assert line['accuracy'] == 1 and load('genes', 'config.json')['vocab_size'] < 20, line
    learn('strands', 'masked-language', 'genes.fa', '--format', 'fasta', steps=2)
    assert load('strands', 'reformer-run.json')['data']['labels'] == 'none'
    assert fine('evaluate', 'strands', '--json').json()['task'] == 'masked-language'


LINES = [
    (['train', 'new', '--task', 'poetry', '--data', 'moods.csv'], 2, ['--task is "poetry"', 'language, masked-language, classification, regression, multi-label, spans, tokens, values']),
    (['train', 'new', '--task', 'tokens', '--head', 'tokens', '--data', 'moods.csv'], 2, ['--task and --head are the same option']),
    (['train', 'new', '--task', 'none', '--data', 'moods.csv'], 2, ['the model has no head', '--task']),
    (['train', 'new', '--task', 'masked-language', '--is-decoder', '--data', 'book.txt'], 2, ['is_decoder is true']),
    (['train', 'new', '--data', 'book.txt', '--label-columns', 'mood'], 2, ['--label-columns is no option of language']),
    (['train', 'new', '--data', 'book.txt', '--mask-fraction', '0.1'], 2, ['--mask-fraction is no option of language']),
    (['train', 'new', '--task', 'masked-language', '--data', 'book.txt', '--mask-fraction', '2'], 2, ['--mask-fraction is "2"', 'a number above 0, up to 1']),
    (['train', 'new', '--task', 'classification', '--data', 'moods.csv', '--format', 'xml'], 2, ['--format is "xml"', 'auto, lines, csv, fasta or folder']),
    (['train', 'new', '--task', 'classification', '--data', 'nowhere.csv'], 1, ['nowhere.csv', 'No such file']),
    (['train', 'new', '--task', 'classification', '--data', 'moods.csv', '--label-columns', 'colour'], 1, ['moods.csv', 'colour']),
    (['train', 'new', '--task', 'classification', '--data', 'same.csv'], 1, ['same.csv: there is only one class', '2 or more']),
    (['train', 'new', '--task', 'regression', '--data', 'moods.csv'], 1, ['moods.csv', 'line 2']),
    (['train', 'new', '--task', 'classification', '--data', 'moods.csv', '--num-labels', '2'], 1, ['moods.csv has 3 classes', 'num_labels of the model is 2']),
    (['train', 'moods', '--resume', '--task', 'spans'], 2, ['--task cannot be given with --resume']),
    (['evaluate', 'moods', '--label-columns', 'mood'], 2, ['--label-columns is for --data']),
    (['evaluate', 'moods', '--data', 'book.txt', '--mask-id', '3'], 2, ['--mask-id is no option of classification']),
]


def test_wrong():
    table('same.csv', [('one thing', 'only')] * 4)
    for arguments, status, parts in LINES:
        result = run(*arguments)
        assert result.status == status and result.out == b'', (arguments, result)
        message(result, *parts)


need_device()
make_files()
tap.run('tool/tasks', tap.collect(globals()))
