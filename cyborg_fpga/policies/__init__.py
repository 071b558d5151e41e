"""Who may do what: one module per resource, all defaults in code."""

import itertools

from oslo_policy import policy

from cyborg_fpga.policies import arqs
from cyborg_fpga.policies import attributes
from cyborg_fpga.policies import base
from cyborg_fpga.policies import bitstreams
from cyborg_fpga.policies import claims
from cyborg_fpga.policies import deployables
from cyborg_fpga.policies import device_profiles
from cyborg_fpga.policies import devices
from cyborg_fpga.policies import hosts
from cyborg_fpga.policies import operations

_MODULES = (
    base,
    arqs,
    attributes,
    bitstreams,
    claims,
    deployables,
    device_profiles,
    devices,
    hosts,
    operations,
)


def list_rules() -> list[policy.RuleDefault]:
    return list(itertools.chain.from_iterable(m.RULES for m in _MODULES))
