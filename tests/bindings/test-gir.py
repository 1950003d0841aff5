# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the .gir says: nothing private, nothing that bindings cannot use, everything documented."""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

import tap

CORE = '{http://www.gtk.org/introspection/core/1.0}'
C = '{http://www.gtk.org/introspection/c/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'
CALLABLES = ['function', 'method', 'constructor', 'virtual-method']
SIGNAL = GLIB + 'signal'

path = os.environ['REFORMER_GIR']
sources = os.path.join(os.environ['G_TEST_SRCDIR'], '..', 'libreformer')
with open(path, encoding='utf-8') as file:
    text = file.read()
namespace = ElementTree.fromstring(text).find(CORE + 'namespace')


def find(*tags):
    for tag in tags:
        yield from namespace.iter(tag if tag.startswith('{') else CORE + tag)


def name_of(element):
    return element.get(C + 'identifier') or element.get(C + 'type') or element.get('name')


def documented(element):
    doc = element.find(CORE + 'doc')
    return doc is not None and doc.text.strip() != ''


def none(what, wrong):
    wrong = sorted(set(wrong))
    for each in wrong:
        print('# %s: %s' % (what, each))
    assert not wrong, '%d %s' % (len(wrong), what)


def test_no_opencl():
    none('of OpenCL', re.findall(r'\b(?:cl_|CL_|cl[A-Z]|_cl_)\w*', re.sub(r'<doc .*?</doc>', '', text, flags=re.S)))


def test_no_open_structs():
    """The struct of a class that can be derived has its parent, its virtual functions and room for more."""
    wrong = []
    for record in find('record', 'union'):
        fields = [field for field in record.findall(CORE + 'field') if field.get('private') != '1']
        if record.get(GLIB + 'is-gtype-struct-for') is None and (fields or record.get('opaque') != '1' and record.get('disguised') != '1'):
            wrong.append(name_of(record))
        elif record.get(GLIB + 'is-gtype-struct-for') is not None:
            wrong += ['%s.%s' % (name_of(record), field.get('name')) for field in fields
                      if field.get('name') not in ('parent_class', 'padding') and field.find(CORE + 'callback') is None]
    for class_ in find('class'):
        wrong += ['%s.%s' % (name_of(class_), field.get('name')) for field in class_.findall(CORE + 'field') if field.get('private') != '1' and field.get('name') != 'parent_instance']
    none('structs with fields', wrong)


def test_only_public_types():
    public = set()
    for folder, _, files in os.walk(sources):
        for name in files:
            if name.startswith('reformer-') and name.endswith('.h') and not name.endswith('-private.h'):
                with open(os.path.join(folder, name), encoding='utf-8') as file:
                    public |= set(re.findall(r'\b(?:Reformer\w+|reformer_\w+|REFORMER_\w+)', file.read()))
    seen = [element.get(C + 'type') or element.get(GLIB + 'type-name') for element in find('class', 'interface', 'enumeration', 'bitfield', 'record', 'callback', 'alias')]
    seen += [element.get(C + 'identifier') for element in find('function', 'method', 'constructor', 'member')]
    none('private names', [name for name in seen if name and name.startswith(('Reformer', 'reformer_', 'REFORMER_')) and name not in public
                           and not name.endswith('Class') and not name.endswith('_get_type')])


def test_types():
    """What functions, properties and signals speak of is GLib's, or declared here."""
    own = {element.get('name') for element in namespace}
    basic = {'none', 'utf8', 'filename', 'gpointer', 'GType', 'gboolean', 'gfloat', 'gdouble', 'gsize', 'gssize', 'gunichar',
             *('g%sint%s' % (sign, bits) for sign in ('', 'u') for bits in ('', '8', '16', '32', '64'))}
    used = [element.get('name') for element in find('type')]
    assert len(set(used) & own) > 20
    none('types of elsewhere', [name for name in used if name not in own | basic and not re.fullmatch(r'(GLib|GObject|Gio)\.\w+', name or '')])
    addresses = {'reformer_tensor_map', 'reformer_tensor_upload_pointer'}
    none('pointers to anything', [name_of(element) for element in find(*CALLABLES, SIGNAL) for value in [element.find(CORE + 'return-value'), *element.iter(CORE + 'parameter')]
                                  for named in [value.find(CORE + 'type')] if named is not None and named.get('name') == 'gpointer' and value.get('closure') is None
                                  and value.get('name') != 'user_data' and name_of(element) not in addresses])


def test_public_documented():
    wrong = [name_of(element) for element in find('class', 'enumeration', 'bitfield', 'constant', *CALLABLES)
             if not documented(element)]
    wrong += ['%s:%s' % (name_of(class_), each.get('name')) for class_ in find('class') for kind in [CORE + 'property', SIGNAL] for each in class_.findall(kind) if not documented(each)]
    wrong += [name_of(member) for member in find('member') if not documented(member)]
    print('# %d functions, %d properties' % (len(list(find(*CALLABLES))), len(list(find('property')))))
    assert len(list(find(*CALLABLES))) > 150
    none('without documentation', wrong)


def test_functions_documented():
    """More than a line for what is returned: what it does, too."""
    none('without a return value documented', [name_of(element) for element in find(*CALLABLES, SIGNAL) for value in [element.find(CORE + 'return-value')]
                                               if value.find(CORE + 'type') is not None and value.find(CORE + 'type').get('name') != 'none' and not documented(value)])


def test_parameters_documented():
    none('parameters without documentation', ['%s (%s)' % (name_of(element), parameter.get('name')) for element in find(*CALLABLES, SIGNAL)
                                              for parameter in element.iter(CORE + 'parameter') if not documented(parameter)])


def test_introspectable():
    none('not introspectable', [name_of(element) for element in find('class', 'property', *CALLABLES) if element.get('introspectable') == '0'])


def test_no_varargs():
    none('varargs', [name_of(element) for element in find(*CALLABLES) if element.find('.//' + CORE + 'varargs') is not None])


def test_callable():
    """Names that a language would have to change, and names that hide GObject's own."""
    keywords = {'lambda', 'global', 'yield', 'import', 'from', 'delete', 'function', 'with', 'class', 'def', 'pass', 'raise', 'async', 'await', 'in', 'is', 'not', 'next'}
    hidden = {'get_data', 'set_data', 'ref', 'unref', 'connect', 'disconnect', 'notify', 'emit', 'get_property', 'set_property', 'run_dispose', 'freeze_notify'}
    none('names of other things', [name_of(element) for element in find('method') if element.get('name') in keywords | hidden])
    none('names of other things', [element.get('name') for element in find('parameter') if element.get('name') in keywords])


def test_constructors():
    """Vala needs a constructor in every class that can be made."""
    without = {'Device', 'Evaluation', 'MemoryPlan', 'Piece', 'SentencePieceTokenizer', 'Tensor', 'TrainingRecord'}
    none('without a constructor', [class_.get('name') for class_ in find('class') if class_.get('name') not in without and class_.get('abstract') != '1'
                                   and not any(each.get('name') == 'new' for each in class_.findall(CORE + 'constructor'))])


def test_error_domains():
    domains = [element.get(GLIB + 'error-domain') for element in find('enumeration') if element.get(GLIB + 'error-domain')]
    assert 'reformer-error-quark' not in domains
    assert {'reformer-device-error-quark', 'reformer-file-error-quark', 'reformer-model-error-quark'} <= set(domains), domains


def test_pairs():
    """x_async has its x_finish, and x."""
    for class_ in find('class'):
        methods = {each.get('name') for each in class_ if each.tag in (CORE + 'method', CORE + 'function')}
        none('halves of pairs', [name for name in methods if name.endswith('_async') and not {name[:-6] + '_finish', name[:-6]} <= methods])


with open(os.path.join(sources, '..', 'bindings', 'gjs', 'overrides', 'Reformer.js'), encoding='utf-8') as file:
    override = file.read()


def test_final_in_javascript():
    """To derive a class that cannot be derived would end a program in GJS: the override has to know them all."""
    known = re.findall(r"'(\w+)'", re.search(r'^const FINAL = \[\n(.*?)^\];', override, re.M | re.S).group(1))
    assert len(known) > 30
    none('wrong in FINAL of Reformer.js', set(known) ^ {class_.get('name') for class_ in find('class') if class_.get('final') == '1'})


KINDS = {'gboolean': 'boolean', 'gdouble': 'number', **{name: 'integer' for name in ('gint', 'guint', 'gint64', 'guint64', 'gsize')}}


def kind_of(parameter):
    array = parameter.find(CORE + 'array')
    inner = (parameter if array is None else array).find(CORE + 'type')
    name = 'Tensor' if inner.get('name') == 'Tensor' else KINDS.get(inner.get('name'))
    return {None: None, 'Tensor': 'tensor'}.get(name, name if array is None else name + 's')


def given_to(function):
    """The parameters that a script gives: not the lengths of lists."""
    found = function.find(CORE + 'parameters')
    parameters = found.findall(CORE + 'parameter') if found is not None else []
    lengths = {int(each.get('length')) for each in function.iter(CORE + 'array') if each.get('length')}
    return [each for i, each in enumerate(parameters) if i not in lengths and each.get('direction') != 'out' and each.get('name') != 'user_data']


def test_taken_by_javascript():
    """GJS makes a number of everything: the override has to know every function that takes one, with its parameters in order."""
    heads = re.search(r"^const HEADS = '(.*)';", override, re.M).group(1)
    table = re.search(r'^const TAKEN = \{\n(.*?)^\};', override, re.M | re.S).group(1).replace('HEADS', "'%s'" % heads)
    taken = {(class_, name): text for class_, functions in re.findall(r'(\w+): \{(.*?)\}', table, re.S) for name, text in re.findall(r"(\w+): '([^']*)'", functions)}
    wrong, seen = [], set()
    for class_ in find('class'):
        checked = {'set_' + each.get('name').replace('-', '_') for each in class_.findall(CORE + 'property') if each.find(CORE + "type[@name='GLib.Variant']") is None}
        for function in [*class_.findall(CORE + 'method'), *class_.findall(CORE + 'constructor')]:
            given = given_to(function)
            name = function.get('name')
            if name in checked or not any(map(kind_of, given)):
                continue
            seen.add((class_.get('name'), name))
            wanted = ', '.join(each.get('name') + (':' + kind_of(each) if kind_of(each) else '') for each in given)
            if re.sub(':(count|positive)', ':integer', taken.get((class_.get('name'), name), '')) != wanted:
                wrong.append("%s: {%s: '%s'}" % (class_.get('name'), name, wanted))
    assert len(seen) > 30
    none('functions that Reformer.js does not know', wrong)
    none('functions that only Reformer.js knows', ['%s.%s' % each for each in set(taken) - seen])


def test_guarded_numbers():
    """An integer of which C only looks with g_return_if_fail() whether it is large enough: both overrides say so with an exception."""
    guards = {}
    for folder, _, files in os.walk(sources):
        for name in files:
            if name.endswith('.c'):
                with open(os.path.join(folder, name), encoding='utf-8') as file:
                    for function, body in re.findall(r'^(reformer_\w+) \((.*?)^\}', file.read(), re.M | re.S):
                        guards.setdefault(function, set()).update(re.findall(r'g_return_(?:val_)?if_fail \([^;]*?\b(\w+) (?:[<>]=?|[!=]=) -?\d', body))
    with open(os.path.join(sources, '..', 'bindings', 'python', 'gi', 'overrides', 'Reformer', 'calls.py'), encoding='utf-8') as file:
        table = re.search(r'^_LEAST = \{\n(.*?)^\}', file.read(), re.M | re.S).group(1)
    python = {(name, parameter) for name, parameters in re.findall(r"'([\w.]+)': \{(.*?)\}", table) for parameter in re.findall(r"'(\w+)': \d", parameters)}
    javascript = {('%s.%s' % (class_, name), parameter) for class_, functions in re.findall(r'^    (\w+): \{(.*?)\},?$', override, re.S | re.M)
                  for name, text in re.findall(r"(\w+): '([^']*)'", functions) for parameter in re.findall(r'(\w+):(?:count|positive)', text)}
    wanted = set()
    for class_ in find('class'):
        setters = {'set_' + each.get('name').replace('-', '_') for each in class_.findall(CORE + 'property')}
        for function in [*class_.findall(CORE + 'method'), *class_.findall(CORE + 'constructor'), *class_.findall(CORE + 'function')]:
            if function.get('name') not in setters:
                wanted |= {('%s.%s' % (class_.get('name'), function.get('name')), each.get('name')) for each in given_to(function)
                           if kind_of(each) == 'integer' and each.get('name') in guards.get(function.get(C + 'identifier'), ())}
    assert wanted
    assert python == wanted, python ^ wanted
    assert javascript == wanted, javascript ^ wanted


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    tap.run('gir', tap.collect(globals()))
