"""Who may see and make facts about deployables."""

from cyborg_fpga.policies import base

GET_ALL = 'cyborg:attribute:get_all'
GET_ONE = 'cyborg:attribute:get_one'
CREATE = 'cyborg:attribute:create'
DELETE = 'cyborg:attribute:delete'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_MANAGER_OR_ADMIN,
        'List the attributes of deployables.',
        'GET /v2/attributes',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_MANAGER_OR_ADMIN,
        'Show an attribute of a deployable.',
        'GET /v2/attributes/{uuid}',
    ),
    base.rule(
        CREATE,
        base.ADMIN,
        'Give a deployable an attribute; a trait is told to Placement.',
        'POST /v2/attributes',
    ),
    base.rule(
        DELETE,
        base.ADMIN,
        'Delete an attribute that was given.',
        'DELETE /v2/attributes/{uuid}',
    ),
]
