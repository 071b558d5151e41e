"""Who may see deployables and program them directly."""

from cyborg_fpga.policies import base

GET_ALL = 'cyborg:deployable:get_all'
GET_ONE = 'cyborg:deployable:get_one'
PROGRAM = 'cyborg:deployable:program'
RUN = 'fpga:deployable:run'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_MANAGER_OR_ADMIN,
        'List the deployables.',
        'GET /v2/deployables',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_MANAGER_OR_ADMIN,
        'Show a deployable.',
        'GET /v2/deployables/{uuid}',
    ),
    base.rule(
        PROGRAM,
        base.ADMIN,
        'Load a bitstream into a deployable that nobody has claimed.',
        'PATCH /v2/deployables/{uuid}/program',
        'PATCH /v2/deployables/{uuid}/program/{uuid}',
    ),
    base.rule(
        RUN,
        base.PROJECT_MEMBER,
        "Run the function in a simulated deployable that one's own project "
        'has claimed.',
        'POST /v2/deployables/{uuid}/run',
    ),
]
