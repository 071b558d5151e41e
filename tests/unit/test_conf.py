"""Options."""

import os

from oslo_config import cfg
from oslo_db import options as db_options
from oslotest import base

from cyborg_fpga import conf as options
from cyborg_fpga.cmd import service


def configuration():
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([], project='cyborg_fpga', default_config_files=[])
    return conf


class TestGroups(base.BaseTestCase):
    def test_a_value_set_in_one_configuration_is_not_in_another(self):
        one, other = configuration(), configuration()
        for group, opts in options.list_opts():
            name = getattr(group, 'name', group)
            for opt in opts:
                if name == 'DEFAULT' or not isinstance(opt, cfg.IntOpt):
                    continue
                with self.subTest(f'{name}.{opt.name}'):
                    if opt.dest not in one[name]:
                        continue
                    before = other[name][opt.dest]
                    one.set_override(opt.dest, 7654, name)
                    self.assertEqual(before, other[name][opt.dest])


class TestDefaults(base.BaseTestCase):
    def test_as_many_connections_are_kept_as_requests_are_served(self):
        """By every process, whatever the library would keep."""
        cfg.set_defaults(db_options.database_opts, max_pool_size=1)
        conf = cfg.ConfigOpts()
        service.configure(conf, 'any', ['--config-file', os.devnull])
        self.assertGreaterEqual(conf.database.max_pool_size, conf.api.threads)
