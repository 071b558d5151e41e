"""Who may see the catalogue of bitstreams and the types it offers."""

from cyborg_fpga.policies import base

GET_ALL = 'fpga:bitstream:get_all'
GET_ALL_PROJECTS = 'fpga:bitstream:get_all_projects'
GET_ONE = 'fpga:bitstream:get_one'
GET_TYPES = 'fpga:type:get_all'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        "List public bitstreams and one's own project's.",
        'GET /v2/bitstreams',
    ),
    base.rule(
        GET_ALL_PROJECTS,
        base.ADMIN,
        "List and show every project's bitstreams.",
        'GET /v2/bitstreams',
        'GET /v2/bitstreams/{uuid}',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        "Show a public bitstream or one's own project's.",
        'GET /v2/bitstreams/{uuid}',
    ),
    base.rule(
        GET_TYPES,
        base.PROJECT_READER_OR_ADMIN,
        'List the accelerator types that bitstreams offer.',
        'GET /v2/types',
    ),
]
