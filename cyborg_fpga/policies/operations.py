"""Who may see and cancel acts on hardware."""

from cyborg_fpga.policies import base

GET_ALL = 'fpga:operation:get_all'
GET_ALL_PROJECTS = 'fpga:operation:get_all_projects'
GET_ONE = 'fpga:operation:get_one'
CANCEL = 'fpga:operation:cancel'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        "List the operations for one's own project's claims.",
        'GET /v2/operations',
    ),
    base.rule(
        GET_ALL_PROJECTS,
        base.ADMIN,
        "List every project's operations.",
        'GET /v2/operations',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        'Show an operation. Who may not gets a 404.',
        'GET /v2/operations/{uuid}',
    ),
    base.rule(
        CANCEL,
        base.ADMIN,
        'End an unfinished operation.',
        'POST /v2/operations/{uuid}/cancel',
    ),
]
