"""``cyborg-fpga-status upgrade check``: may this release be started?"""

import sys

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_upgradecheck import upgradecheck

from cyborg_fpga import conf as our_conf
from cyborg_fpga.db import engine
from cyborg_fpga.db import schema


class Checks(upgradecheck.UpgradeCommands):
    """Each check is cheap and changes nothing."""

    def _schema(self) -> upgradecheck.Result:
        try:
            engine.configure(cfg.CONF)
            there, wanted = schema.version(), schema.head()
        except (cfg.Error, db_exc.DBError) as exc:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                f'The database cannot be read: {str(exc).splitlines()[0]}',
            )
        if there == wanted:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            upgradecheck.Code.FAILURE,
            f'The database is at {there or "no revision"}, this release '
            f'wants {wanted}: run cyborg-fpga-manage db sync.',
        )

    _upgrade_checks = (('Database schema', _schema),)


def main() -> int:
    our_conf.register_opts(cfg.CONF)
    code: int = upgradecheck.main(cfg.CONF, 'cyborg_fpga', Checks())
    return code


if __name__ == '__main__':
    sys.exit(main())
