"""Who could reach this machine: sockets that listen beyond loopback, and a look from a second network namespace."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

# Runs in the other namespace, given addresses and ports as JSON: prints those that answered a connection.
SCAN = """
import asyncio, json, sys
async def answers(gate, address, port):
    async with gate:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 2)
        except (OSError, TimeoutError, asyncio.TimeoutError):
            return None
        writer.close()
        return [address, port]
async def main(addresses, ports):
    gate = asyncio.Semaphore(200)
    found = await asyncio.gather(*(answers(gate, a, p) for a in addresses for p in ports))
    print(json.dumps([one for one in found if one]))
asyncio.run(main(*json.load(sys.stdin)))
"""


def beyond_loopback(ports: Iterable[int]) -> list[str]:
    """Return the sockets that listen on one of the ports at an address that others can reach."""
    wanted = set(ports)
    return sorted(
        f"{connection.laddr.ip}:{connection.laddr.port} (pid {connection.pid})"
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.port in wanted
        and not _is_loopback(connection.laddr.ip)
    )


def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback  # Java listens at ::ffff:127.0.0.1


def listening_of(pids: Iterable[int]) -> set[int]:
    """Return the ports on which these processes listen, at whatever address."""
    wanted = set(pids)
    connections = psutil.net_connections(kind="tcp")
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN and one.pid in wanted}


@dataclass(frozen=True)
class Outside:
    """A second network namespace with a cable to this machine: what a neighbour in the same network sees."""

    name: str

    def answering(self, ports: Iterable[int]) -> list[tuple[str, int]]:
        """Try every address of this machine that is not loopback with every port; return those that answered."""
        addresses = [
            address.address
            for interface in psutil.net_if_addrs().values()
            for address in interface
            if address.family == socket.AF_INET and not ip_address(address.address).is_loopback
        ]
        asked = json.dumps([sorted(set(addresses)), sorted(set(ports))])
        inside = ["ip", "netns", "exec", self.name, sys.executable, "-c", SCAN]
        found = subprocess.run(inside, input=asked, capture_output=True, text=True, check=True, timeout=240)
        return [(address, port) for address, port in json.loads(found.stdout)]


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """Make the namespace and its cable, and take both away. Needs root and `ip`."""
    number = os.getpid() % 250
    name, here, there = f"labscan{number}", f"labscan{number}h", f"labscan{number}o"
    network = f"198.18.{number}"  # for tests of networks (RFC 2544): nobody's real addresses
    try:
        _ip("netns", "add", name)
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("addr", "add", f"{network}.1/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "addr", "add", f"{network}.2/30", "dev", there)
        _ip("-n", name, "link", "set", there, "up")
        _ip("-n", name, "route", "add", "default", "via", f"{network}.1")
        yield Outside(name)
    finally:
        subprocess.run(["ip", "link", "del", here], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
