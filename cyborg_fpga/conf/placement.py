"""How to reach Placement and what we write there."""

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = cfg.OptGroup('placement', title='Placement')

OPTS = [
    cfg.StrOpt(
        'layout',
        default='pool',
        choices=[
            (
                'pool',
                'Like deployables of a host share one resource provider.',
            ),
            ('region', 'One resource provider per deployable, as Cyborg.'),
        ],
        help="""
How a new host's deployables are grouped into resource providers. The layout
of a known host changes only while nothing on it is allocated.
""",
    ),
    cfg.BoolOpt(
        'create_root_provider',
        default=False,
        help="""
Create a host's root provider where no compute node has one: for hosts
without Nova.
""",
    ),
    cfg.DictOpt(
        'resource_classes',
        default={'fake': 'FPGA', 'fpga_manager': 'FPGA'},
        help="""
Resource class by driver name or by ``vendor/product`` PCI id, instead of
``CUSTOM_FPGA_<VENDOR>_PF`` and ``…_VF``; ``intel_dfl:FPGA`` for clouds that
come from Cyborg. The default is for test beds, which know the driver
``fake`` by Cyborg's class (``fake:CUSTOM_FPGA_FAKE_VF`` makes it look like the
cards of this service), and for chips that are no PCI functions.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)
    loading.register_adapter_conf_options(conf, GROUP.name)
    loading.register_session_conf_options(conf, GROUP.name)
    loading.register_auth_conf_options(conf, GROUP.name)
    conf.set_default('service_type', 'placement', group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [
        (
            GROUP,
            OPTS
            + loading.get_adapter_conf_options()
            + loading.get_session_conf_options()
            + loading.get_auth_common_conf_options()
            + loading.get_auth_plugin_conf_options('password'),
        )
    ]
