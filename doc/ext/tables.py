"""Directives that read tables from the sources, so that they stay true.

``error-codes``   every code of :mod:`cyborg_fpga.errors`
``policy-rules``  every rule of :mod:`cyborg_fpga.policies`
"""

from docutils import nodes
from docutils.parsers import rst
from docutils.statemachine import StringList
from oslo_config import cfg

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import policies
from cyborg_fpga import policy

#: By Keystone each has those before it too, but for the last.
ROLES = ('reader', 'member', 'manager', 'admin', 'service')


class Table(rst.Directive):
    """Build a list-table out of rows of reStructuredText."""

    headings = ()
    widths = 'auto'

    def rows(self):
        raise NotImplementedError

    def run(self):
        lines = ['.. list-table::', '   :header-rows: 1']
        lines += [f'   :widths: {self.widths}', '']
        for row in (self.headings, *self.rows()):
            mark = '*'
            for cell in row:
                lines.append(f'   {mark} - {cell}')
                mark = ' '
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, self.name), 0, parent)
        return parent.children


class ErrorCodes(Table):
    headings = ('Code', 'HTTP', 'Sentence')
    widths = '30 10 60'

    def rows(self):
        found = [
            item
            for item in vars(errors).values()
            if isinstance(item, type) and issubclass(item, errors.FPGAError)
        ]
        for cls in sorted(found, key=lambda cls: (cls.http_status, cls.code)):
            sentence = cls.template.replace('{', '<').replace('}', '>')
            yield f'``{cls.code}``', str(cls.http_status), sentence


class PolicyRules(Table):
    headings = ('Rule', 'Who passes by default', 'Allows')
    widths = '30 25 45'

    def rows(self):
        conf = cfg.ConfigOpts()
        conf([], project='cyborg_fpga', default_config_files=[])
        enforced = policy.Policy(conf)
        for rule in policies.list_rules():
            does = [f'``{o["method"]} {o["path"]}``'
                    for o in getattr(rule, 'operations', ())]  # fmt: skip
            text = ' '.join(rule.description.split())
            yield (
                f'``{rule.name}``',
                ', '.join(who_passes(enforced, rule.name)),
                ' '.join([text, ', '.join(does)]).strip(),
            )


def who_passes(enforced, rule):
    """Those of ROLES that may do *rule* in their own project."""
    for place, role in enumerate(ROLES):
        implied = [] if role == 'service' else ROLES[:place]
        caller = context.RequestContext(
            roles=[role, *implied], project_id='p', user_id='u'
        )
        if enforced.check(caller, rule):
            yield role


def setup(app):
    app.add_directive('error-codes', ErrorCodes)
    app.add_directive('policy-rules', PolicyRules)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
