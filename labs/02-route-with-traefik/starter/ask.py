"""Ask your edge under a host name and count who answered: python ask.py whoami.localhost 30

Each line is: how many, the status, the name in the header X-Whoami ("the edge" when it answered by itself).
"""

import argparse
from collections import Counter
from http.client import HTTPConnection

EDGE = ("127.0.0.1", 18320)

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("host")
options.add_argument("count", type=int)
asked = options.parse_args()
answers: Counter[str] = Counter()
connection = HTTPConnection(*EDGE, timeout=10)
for _ in range(asked.count):
    connection.request("GET", "/", headers={"Host": asked.host})
    answer = connection.getresponse()
    answer.read()
    answers[f"{answer.status} {answer.getheader('X-Whoami', 'the edge')}"] += 1
for who, count in sorted(answers.items()):
    print(f"{count:4} {who}")
