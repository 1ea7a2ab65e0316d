"""`python -m bench.scrapers PORT COUNT`: scrape like COUNT Prometheus servers, all at the same moment of each second.

Says a line once all have scraped; ends with an error when one scrape is not whole.
"""

import asyncio
import sys


async def scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200") or b"http_requests_total" not in body:
        raise ValueError(f"no metrics: {head!r}")


async def main(port: int, count: int) -> None:
    connections = [await asyncio.open_connection("127.0.0.1", port, limit=1 << 20) for _ in range(count)]
    loop = asyncio.get_running_loop()
    due = loop.time()
    told = False
    while True:
        await asyncio.gather(*(scrape(*connection) for connection in connections))
        if not told:
            print("scraping", flush=True)
            told = True
        due += 1.0
        await asyncio.sleep(due - loop.time())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
