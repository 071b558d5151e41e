"""The simulated FPGA host: a directory that looks and acts like a real one.

``cyborg-fpga-simulator run DIR`` builds ``DIR/sys`` and ``DIR/dev`` from a
scenario, serves the cards from a process of its own and prints ``ready``.
An agent with ``[agent] simulator = DIR`` then finds them with the code that
reads the real ``/sys``.

====================== ====================================================
For                    use
====================== ====================================================
the agent              :class:`.accessor.SimulatedSysfs`
tests and demos        :class:`.client.Simulator` (guests' eyes and faults),
                       :func:`.samples.sample_gbs`, ``DIR/blank/*.gbs``
other programs         ``--mount POINT``, see :mod:`.mount`
other sets of cards    a YAML file as :mod:`.scenario` says
a host in this process :class:`.server.Host`
====================== ====================================================

Nothing here imports a driver's constants: a card that shared them would
agree with each of the driver's mistakes.
"""
