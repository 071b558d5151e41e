"""``openstack fpga …``: a plugin of python-openstackclient.

Needs osc-lib and openstacksdk, nothing of the service. Every ``openstack``
call imports :mod:`plugin`, so that module imports as little as it can.
"""
