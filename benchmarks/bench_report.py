"""What an unchanged report of a host costs, whatever the number of cards."""

import dataclasses
import pathlib
import statistics
import tempfile
import time

import sqlalchemy as sa
from oslo_config import cfg

from cyborg_fpga import conf as options
from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.conductor import inventory
from cyborg_fpga.db import engine
from cyborg_fpga.db import schema

FIGURES = ('report.sql.8', 'report.sql.32', 'report.ms.8', 'report.ms.32')

_ROUNDS = 200


def run(wanted):
    for cards in (8, 32):
        names = {f'report.sql.{cards}', f'report.ms.{cards}'}
        if names & wanted:
            statements, milliseconds = _measure(cards)
            yield f'report.sql.{cards}', statements, 'statements'
            yield f'report.ms.{cards}', milliseconds, 'ms'


def _measure(cards):
    """Most statements that one report took, and its median time."""
    with tempfile.TemporaryDirectory() as folder:
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([])
        url = f'sqlite:///{pathlib.Path(folder) / "bench.db"}'
        conf.set_override('connection', url, 'database')
        engine.configure(conf)
        schema.upgrade()
        # No Placement: a report that asked it anything would fail here.
        stock = inventory.Inventory(conf, None)
        ctx = context.service()
        report = _report(cards)
        stock.report(ctx, report)
        counts = []
        _count(counts)
        times, most = [], 0
        for number in range(_ROUNDS):
            counts.clear()
            report = dataclasses.replace(report, sequence=number + 2)
            # As it comes over the wire.
            wire = report.to_wire()
            started = time.perf_counter()
            stock.report(ctx, model.HostReport.from_wire(wire))
            times.append(time.perf_counter() - started)
            most = max(most, len(counts))
        return most, 1000 * statistics.median(times)


def _count(counts):
    # Every engine of the process: the readers have one of their own.
    @sa.event.listens_for(sa.Engine, 'before_cursor_execute')
    def executed(conn, cursor, statement, parameters, ctx, many):
        if not statement.startswith('BEGIN'):
            counts.append(statement)


def _report(cards):
    return model.HostReport(
        hostname='bench',
        boot_id=1,
        sequence=1,
        digest='same',
        resource_provider_name='bench',
        devices=tuple(_card(number) for number in range(cards)),
    )


def _card(number):
    address = model.PciAddress.parse(f'0000:{number + 16:02x}:00.0')
    return model.DeviceReport(
        driver='intel_dfl',
        pci_address=address,
        vendor='intel',
        family='PAC_A10',
        vendor_id='8086',
        product_id='09c4',
        deployables=(
            model.DeployableReport(
                name=f'{address}/port0',
                handles=(address,),
                region_id='69528db6eb31577a8c3668f9faa081f6',
                wipe_levels=(model.WipeLevel.RESET,),
            ),
        ),
    )
