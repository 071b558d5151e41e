"""Who may see cards and take them out of service."""

from cyborg_fpga.policies import base

GET_ALL = 'cyborg:device:get_all'
GET_ONE = 'cyborg:device:get_one'
ENABLE = 'cyborg:device:enable'
DISABLE = 'cyborg:device:disable'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_MANAGER_OR_ADMIN,
        'List the cards.',
        'GET /v2/devices',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_MANAGER_OR_ADMIN,
        'Show a card.',
        'GET /v2/devices/{uuid}',
    ),
    base.rule(
        ENABLE,
        base.ADMIN,
        'Offer a card again, also after its quarantine.',
        'POST /v2/devices/{uuid}/enable',
    ),
    base.rule(
        DISABLE,
        base.ADMIN,
        'Stop offering a card.',
        'POST /v2/devices/{uuid}/disable',
    ),
]
