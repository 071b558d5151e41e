"""Who may see hosts and take them out of service."""

from cyborg_fpga.policies import base

GET_ALL = 'fpga:host:get_all'
GET_ONE = 'fpga:host:get_one'
UPDATE = 'fpga:host:update'

RULES = [
    base.rule(GET_ALL, base.ADMIN, 'List the FPGA hosts.', 'GET /v2/hosts'),
    base.rule(
        GET_ONE, base.ADMIN, 'Show an FPGA host.', 'GET /v2/hosts/{name}'
    ),
    base.rule(
        UPDATE,
        base.ADMIN,
        'Enable or disable an FPGA host.',
        'PATCH /v2/hosts/{name}',
        'POST /v2/hosts/{name}/enable',
        'POST /v2/hosts/{name}/disable',
    ),
]
