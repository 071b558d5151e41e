"""How to reach Nova, which is told how binds end."""

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = cfg.OptGroup('nova', title='Compute service')


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    loading.register_adapter_conf_options(conf, GROUP.name)
    loading.register_session_conf_options(conf, GROUP.name)
    loading.register_auth_conf_options(conf, GROUP.name)
    conf.set_default('service_type', 'compute', group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [
        (
            GROUP,
            loading.get_adapter_conf_options()
            + loading.get_session_conf_options()
            + loading.get_auth_common_conf_options()
            + loading.get_auth_plugin_conf_options('password'),
        )
    ]
